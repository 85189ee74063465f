package qimport

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qimport/internal/killtest"
	"qimport/quant"
)

// TestBatchOnePass: variants of one source are written in one pass, with the digests and the numbers of imports
// one by one; one that cannot be made fails by itself, and is named with its reason.
func TestBatchOnePass(t *testing.T) {
	entries := fleetEntries(t, quant.FormatInt8, quant.FormatMXFP8, quant.FormatNVFP4)
	entries[2].Plan.Calibration = "there-is-none"
	var said notes
	summary, err := Batch(t.Context(), openStore(t, t.TempDir()), entries, BatchOptions{Watch: &said})
	if err == nil || summary.Done != 2 || summary.Failed != 1 || !strings.Contains(summary.Imports[2].Error, "there-is-none") {
		t.Fatalf("%v, %v", summary, err)
	}
	if !strings.Contains(strings.Join(said.lines, "\n"), "2 variants of "+entries[0].Source+" are written in one pass") {
		t.Errorf("%q", said.lines)
	}
	alone := openStore(t, t.TempDir())
	for i, e := range entries[:2] {
		e.KeepUnchanged = true
		want, err := Import(t.Context(), alone, e.ImportOptions)
		if err != nil {
			t.Fatal(err)
		}
		got := summary.Imports[i]
		if got.Manifest != want.Manifest || got.BytesRead != want.BytesRead || got.BytesWritten != want.BytesWritten || got.BytesReused != want.BytesReused ||
			got.BlobsWritten != want.BlobsWritten || got.BlobsReused != want.BlobsReused || got.Seconds <= 0 {
			t.Errorf("import %d:\n%+v in a batch,\n%+v alone", i, got.ImportResult, want)
		}
	}
}

// TestBatchOnePassGivesUpClaims: a batch that ends early gives up its claims on imports that it did not come to,
// and the next finds what was written of them.
func TestBatchOnePassGivesUpClaims(t *testing.T) {
	store := openStore(t, t.TempDir())
	entries := fleetEntries(t, quant.FormatInt8, quant.FormatMXFP8)
	stop := errors.New("enough")
	if _, err := Batch(t.Context(), store, entries, BatchOptions{Each: func(BatchLine) error { return stop }}); !errors.Is(err, stop) {
		t.Fatal(err)
	}
	if got := statesOf(t, store, entries); got != "done interrupted" {
		t.Errorf("after the first: %s", got)
	}
	s, err := Batch(t.Context(), store, entries, BatchOptions{})
	if err != nil || s.Unchanged != 1 || s.Done != 1 || s.Imports[1].BytesRead != 0 {
		t.Errorf("%v, %v, %+v", s, err, s.Imports)
	}
}

// TestBatchOnePassKilled kills batches at moments of chance: what is published is whole, the next goes on, and
// in the end all is as if nothing had been killed.
func TestBatchOnePassKilled(t *testing.T) {
	entries := fleetEntries(t, quant.FormatInt8, quant.FormatMXFP8, quant.FormatNVFP4)
	root, chance := t.TempDir(), rand.New(rand.NewPCG(11, 3))
	store := openStore(t, root)
	killed, reused := 0, 0
	source := childBatch + "=" + entries[0].Source
	span := killtest.Span(t, child(t.TempDir(), source))
	for _, moment := range killtest.Moments(span, 12, chance) {
		if killtest.Kill(t, child(root, source), moment) {
			killed++
		}
		if got := statesOf(t, store, entries); strings.Contains(got, "running") || strings.Contains(got, "failed") {
			t.Fatalf("after kill %d: %s", killed, got)
		}
		for _, e := range entries {
			if at, err := store.Lookup(e.Model); err == nil && !store.Whole(t.Context(), at.Manifest) {
				t.Fatalf("after kill %d %s is not whole", killed, e.Model)
			}
		}
		if killed%4 > 0 {
			continue
		}
		s, err := Batch(t.Context(), store, entries, BatchOptions{})
		if err != nil || s.Done+s.Unchanged != len(entries) {
			t.Fatalf("after kill %d: %v, %v", killed, s, err)
		}
		for i, e := range entries {
			reused += s.Imports[i].BlobsReused
			want, err := Import(t.Context(), openStore(t, t.TempDir()), e.ImportOptions)
			if err != nil || s.Imports[i].Manifest != want.Manifest {
				t.Fatalf("after kill %d, %s: %s, alone %s, %v", killed, e.Model, s.Imports[i].Manifest, want.Manifest, err)
			}
			if _, err := store.Remove(t.Context(), e.Model); err != nil {
				t.Fatal(err)
			}
		}
		if found, err := store.Check(t.Context(), nil); err != nil || found.Err() != nil {
			t.Errorf("%v, %v", err, found.Err())
		}
	}
	if killed == 0 || reused == 0 {
		t.Errorf("%d batches were killed on their way, %d blobs found", killed, reused)
	}
}

// TestBatchOnePassOfWhatComes: a source that the first import of it brings is read in one pass for the rest.
func TestBatchOnePassOfWhatComes(t *testing.T) {
	entries := fleetEntries(t, quant.FormatInt8, quant.FormatMXFP8, quant.FormatNVFP4)
	dir := entries[0].Source
	away := dir + ".away"
	if err := os.Rename(dir, away); err != nil {
		t.Fatal(err)
	}
	var said notes
	s, err := Batch(t.Context(), openStore(t, t.TempDir()), entries, BatchOptions{Watch: &said, Each: func(l BatchLine) error {
		if l.Status == Failed {
			return os.Rename(away, dir)
		}
		return nil
	}})
	if err == nil || s.Failed != 1 || s.Done != 2 || !strings.Contains(strings.Join(said.lines, "\n"), "2 variants of") {
		t.Errorf("%v, %v, %q", s, err, said.lines)
	}
}

// TestBatchOnePassWarns: what is wrong with the values is said as an import by itself says it, and nothing is
// written for an import whose verdict has no place.
func TestBatchOnePassWarns(t *testing.T) {
	entries := fleetEntries(t, quant.FormatInt8, quant.FormatMXFP8, quant.FormatNVFP4)
	entries[2].Reports = []string{filepath.Join(t.TempDir(), "none", "r.json")}
	zero(t, filepath.Join(entries[0].Source, "model.safetensors"), "mlp.down_proj.weight")
	var said notes
	s, err := Batch(t.Context(), openStore(t, t.TempDir()), entries, BatchOptions{Watch: &said})
	all := strings.Join(said.lines, "\n")
	if err == nil || s.Failed != 1 || s.Imports[2].Status != Failed || !strings.Contains(all, "2 variants of") {
		t.Fatalf("%v, %v, %q", s, err, said.lines)
	}
	for _, l := range s.Imports[:2] {
		if len(l.Values) != 1 || strings.Count(all, "warning: "+l.Values[0]) != 2 {
			t.Errorf("%s: %q, of %q", l.Name, l.Values, said.lines)
		}
	}
}

// zero makes a tensor of a shard, the first whose name ends so, all zeros.
func zero(t *testing.T, shard, ending string) {
	t.Helper()
	b, err := os.ReadFile(shard)
	if err != nil {
		t.Fatal(err)
	}
	data := 8 + int(binary.LittleEndian.Uint64(b))
	var header map[string]struct {
		Offsets [2]int `json:"data_offsets"`
	}
	if err := json.Unmarshal(bytes.TrimSpace(b[8:data]), &header); err != nil {
		t.Fatal(err)
	}
	for name, at := range header {
		if strings.HasSuffix(name, ending) {
			clear(b[data+at.Offsets[0] : data+at.Offsets[1]])
			if err := os.WriteFile(shard, b, 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("%s has no %s", shard, ending)
}

// TestBatchOnePassMemory: of large calibrations, which stay in memory, a pass has one.
func TestBatchOnePassMemory(t *testing.T) {
	entries := fleetEntries(t, quant.FormatInt8, quant.FormatMXFP8, quant.FormatNVFP4, quant.FormatInt4)
	for i := range 3 {
		file := filepath.Join(t.TempDir(), "calibration")
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		size := int64(smallCalibration)
		if i > 0 {
			size++
		}
		if err := os.Truncate(file, size); err != nil {
			t.Fatal(err)
		}
		entries[i].Plan.Calibration = file
	}
	a := newAhead(openStore(t, t.TempDir()), BatchOptions{})
	if got := a.together(t.Context(), entries); len(got) != 2 {
		t.Errorf("%d are written together, want a small one and a large one", len(got))
	}
	if got := a.together(t.Context(), entries[2:]); len(got) != 2 {
		t.Errorf("then %d, want a large one and one without", len(got))
	}
}
