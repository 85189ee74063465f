package qimport

import (
	"errors"
	"strings"
	"testing"

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
