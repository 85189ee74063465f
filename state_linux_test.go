package qimport

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"qimport/manifest"
	"qimport/quant"
	"qimport/verify/report"
)

// changedNow is the time of change that the evidence for a file would name.
func changedNow(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return strconv.FormatInt(time.Unix(info.Sys().(*syscall.Stat_t).Ctim.Unix()).UnixNano(), 10)
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// TestNoFileStaysOpen: whatever is done, and whatever comes of it.
func TestNoFileStaysOpen(t *testing.T) {
	store := openStore(t, t.TempDir())
	stores := func() (*manifest.Store, error) { return store, nil }
	o := unverified(dense, quant.FormatNVFP4)
	o.Checks.Level = report.Blobs
	round := func() {
		e := imported(t, store, o)
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		_, stopped := Import(cancelled, store, o)
		_, missing := Import(t.Context(), store, unverified("./nowhere", quant.Format{}))
		_, shown := Show(store, e.Name)
		_, verified := Verify(t.Context(), stores, "m", VerifyOptions{Checks: o.Checks})
		_, exported := Export(t.Context(), stores, "m", filepath.Join(t.TempDir(), "out"), ExportOptions{})
		copied := store.Copy(t.Context(), e.Name, mustName(t, "copy"))
		_, collected := store.GC(t.Context(), manifest.GCOptions{})
		_, compared := Diff(store, e.Name, mustName(t, "copy"))
		if err := errors.Join(shown, verified, exported, copied, collected, compared); err != nil || stopped == nil || missing == nil {
			t.Fatalf("%v; stopped %v, missing %v", err, stopped, missing)
		}
		os.Truncate(store.Blob(e.Manifest.Layers[5].Digest), 3)
		_, shown = Show(store, e.Name)
		_, listed := List(store)
		_, verified = Verify(t.Context(), stores, "m", VerifyOptions{Checks: o.Checks})
		_, repaired := Repair(t.Context(), store, RepairOptions{Source: dense})
		_, removed := store.Remove(t.Context(), mustName(t, "copy"))
		if err := errors.Join(listed, verified, repaired, removed); err != nil || shown == nil {
			t.Fatal(err)
		}
	}
	round()
	before := openFiles(t)
	for range 3 {
		round()
	}
	if after := openFiles(t); after > before {
		t.Errorf("%d files are open, then %d", before, after)
	}
}
