package qimport

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"qimport/manifest"
	"qimport/quant"
	"qimport/verify/report"
)

// fleetEntries are imports of a copy of the dense model, so that its files can be changed.
func fleetEntries(t *testing.T, types ...quant.Format) []BatchEntry {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "model")
	if err := os.CopyFS(dir, os.DirFS(dense)); err != nil {
		t.Fatal(err)
	}
	return variantsOf(dir, types...)
}

// variantsOf are imports of one source.
func variantsOf(dir string, types ...quant.Format) (all []BatchEntry) {
	for i, format := range types {
		name, err := manifest.ParseName(fmt.Sprintf("m:%d", i))
		if err != nil {
			panic(err)
		}
		o := unverified(dir, format)
		o.Name, o.Checks.Level = name.String(), report.Blobs
		all = append(all, BatchEntry{ImportOptions: o, Line: i + 1, Model: name})
	}
	return all
}

func statesOf(t *testing.T, store *manifest.Store, entries []BatchEntry) string {
	t.Helper()
	all, err := BatchStatus(t.Context(), store, entries)
	var states []string
	for _, s := range all {
		states = append(states, string(s.State))
	}
	if done := !slices.ContainsFunc(all, func(s EntryStatus) bool { return s.State != Done }); done != (err == nil) || err != nil && !errors.Is(err, ErrNotDone) {
		t.Errorf("%v: %v", states, err)
	}
	return strings.Join(states, " ")
}

// TestBatchesShareAStore: two batches at once do each import once, and both end with all of it done. What a
// batch has claimed that dies is taken over.
func TestBatchesShareAStore(t *testing.T) {
	store := openStore(t, t.TempDir())
	entries := fleetEntries(t, quant.FormatInt8, quant.FormatMXFP8, quant.FormatNVFP4)
	dead, err := store.Claim(t.Context(), entries[1].Model)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := beginRecord(store, entries[1], wanted(t.Context(), entries[1]), ImportResult{}); err != nil {
		t.Fatal(err)
	}
	if got := statesOf(t, store, entries); got != "missing running missing" {
		t.Errorf("while one is claimed: %s", got)
	}
	var mu sync.Mutex
	done := map[Status]int{}
	var g sync.WaitGroup
	for range 2 {
		g.Go(func() {
			s, err := Batch(t.Context(), store, entries, BatchOptions{Each: func(l BatchLine) error {
				mu.Lock()
				defer mu.Unlock()
				if done[l.Status]++; done[Done] == 2 && dead != (manifest.Claim{}) { // all but the claimed one
					if got := statesOf(t, store, entries); got != "done running done" {
						t.Errorf("before it died: %s", got)
					}
					if err := dead.Close(); err != nil {
						t.Error(err)
					}
					dead = manifest.Claim{}
					if got := statesOf(t, store, entries); !strings.HasPrefix(got, "done ") {
						t.Errorf("after it died: %s", got)
					}
				}
				return nil
			}})
			if err != nil || s.Left != 0 || len(s.Imports) != 3 {
				t.Errorf("%v, %v", s, err)
			}
		})
	}
	g.Wait()
	if done[Done] != 3 || done[Unchanged] != 3 {
		t.Errorf("%v; each of 3 should have been done once", done)
	}
	if got := statesOf(t, store, entries); got != "done done done" {
		t.Errorf("in the end: %s", got)
	}
}

// TestBatchStatus: what stands in the way of done is told apart.
func TestBatchStatus(t *testing.T) {
	store := openStore(t, t.TempDir())
	entries := fleetEntries(t, quant.FormatInt8, quant.FormatMXFP8)
	run := func(want string) {
		t.Helper()
		s, err := Batch(t.Context(), store, entries, BatchOptions{})
		if got := s.String(); !strings.Contains(got, want) {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
	}
	states := func(want string) {
		t.Helper()
		if got := statesOf(t, store, entries); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	states("missing missing")
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Batch(ctx, store, entries, BatchOptions{Watch: cancelling{cancel}})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	states("interrupted interrupted") // both were written in one pass
	run("2 done, 0 unchanged")
	states("done done")
	looking, err := store.Claim(t.Context(), entries[0].Model)
	if err != nil {
		t.Fatal(err)
	}
	states("done done") // a batch claims an import for the moment in which it finds it done
	if err := looking.Close(); err != nil {
		t.Fatal(err)
	}

	entries[0].Plan.ScaleSearch = true
	states("missing done") // another recipe
	entries[0].Plan.ScaleSearch = false
	entries[0].Checks.Version = "newer"
	states("missing done")
	entries[0].Checks.Version = ""
	entries[0].Checks.Level = report.Smoke
	states("missing done") // verified, but not that far
	entries[0].Checks.Level = report.Blobs

	config := filepath.Join(entries[0].Source, "config.json")
	later := time.Now().Add(time.Second)
	if err := os.Chtimes(config, later, later); err != nil {
		t.Fatal(err)
	}
	states("missing missing")
	run("0 done, 2 unchanged") // nothing was made anew
	states("done done")
	if err := os.WriteFile(config, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	run("2 failed")
	states("failed failed")
	if err := os.RemoveAll(entries[0].Source); err != nil {
		t.Fatal(err)
	}
	states("missing missing")
}

// cancelling ends a batch when its first import begins.
type cancelling struct{ cancel context.CancelFunc }

func (c cancelling) Note(string) {}
func (c cancelling) Begin(string) Progress {
	c.cancel()
	return unwatched{}
}

// TestBatchPart: parts are stable, disjoint and of one size but for one, and together all there is.
func TestBatchPart(t *testing.T) {
	for _, count := range []int{0, 1, 7, 50} {
		entries := make([]BatchEntry, count)
		for i := range entries {
			entries[i].Line = i
		}
		for n := 1; n < 12; n++ {
			var all []BatchEntry
			for i := 1; i <= n; i++ {
				part, err := BatchPart(entries, fmt.Sprintf("%d/%d", i, n))
				if err != nil || len(part) < count/n || len(part) > (count+n-1)/n {
					t.Errorf("%d/%d of %d: %d, %v", i, n, count, len(part), err)
				}
				all = append(all, part...)
			}
			for i, e := range all {
				if e.Line != i {
					t.Errorf("%d parts of %d: %d is in the place of %d", n, count, e.Line, i)
				}
			}
			if len(all) != count {
				t.Errorf("%d parts of %d have %d", n, count, len(all))
			}
		}
	}
	for _, part := range []string{"0/2", "3/2", "1/0", "x", "1/2/3", "-1/2", "1/99999999999999999999"} {
		if _, err := BatchPart(nil, part); !errors.Is(err, ErrOptions) {
			t.Errorf("%s: %v", part, err)
		}
	}
}
