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

	"golang.org/x/sync/errgroup"

	"qimport/manifest"
	"qimport/quant"
	"qimport/quant/recipe"
	"qimport/verify"
	"qimport/verify/report"
)

const (
	dense = "testdata/qwen3.5-bf16"
	moe   = "testdata/qwen3.5-moe-4bit"
)

// openStore opens a store that vanishes with the test.
func openStore(t *testing.T, root string) *manifest.Store {
	t.Helper()
	store, err := manifest.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// unverified imports a shipped model without running it.
func unverified(source string, typ quant.Format) ImportOptions {
	return ImportOptions{
		Source: source, Name: "m", Plan: PlanOptions{Recipe: recipe.Recipe{Type: typ}},
		Checks: verify.Options{Level: verifyNone},
	}
}

// notes gathers what a watcher is told.
type notes struct {
	mu    sync.Mutex
	lines []string
	works []string
	ends  int
}

func (n *notes) Note(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, text)
}

func (n *notes) Begin(work string) Progress {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.works = append(n.works, work)
	return n
}

func (n *notes) Bytes(int64, int64) {}
func (n *notes) Step(string)        {}
func (n *notes) End()               { n.ends++ }

func TestImportVerifiesAndPublishes(t *testing.T) {
	store, watcher := openStore(t, t.TempDir()), &notes{}
	o := unverified(dense, quant.FormatNVFP4)
	o.Checks.Level, o.Watch = report.Blobs, watcher
	o.Reports = []string{filepath.Join(t.TempDir(), "r.json")}
	r, err := Import(t.Context(), store, o)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Published || r.Verification == nil || !r.Verification.Passed || r.Verification.Provenance.Source != "qwen3.5-bf16" {
		t.Errorf("%+v", r)
	}
	if e, err := store.Lookup(r.Name); err != nil || e.Digest != r.Manifest {
		t.Errorf("the name points at %s, %v", e.Digest, err)
	}
	if kept, err := KeptVerdict(store, r.Manifest); err != nil || kept == nil || kept.Stale(r.Manifest.String(), report.Blobs) != "" {
		t.Errorf("kept: %v, %v", kept, err)
	}
	if b, err := os.ReadFile(o.Reports[0]); err != nil || !strings.Contains(string(b), r.Manifest.String()) {
		t.Errorf("the report file: %v", err)
	}
	if !slices.Equal(watcher.works, []string{"import", "verify"}) || watcher.ends != 2 {
		t.Errorf("told of %v, ended %d times", watcher.works, watcher.ends)
	}
}

// TestImportSaysNo: the name stays where it was, the result tells why, the report is written.
func TestImportSaysNo(t *testing.T) {
	store := openStore(t, t.TempDir())
	first, err := Import(t.Context(), store, unverified(moe, quant.Format{}))
	if err != nil {
		t.Fatal(err)
	}
	o := unverified(dense, quant.FormatNVFP4)
	o.Checks.Level, o.Checks.Scores = report.Quality, filepath.Join(t.TempDir(), "missing.safetensors")
	o.Reports = []string{filepath.Join(t.TempDir(), "r.xml")}
	r, err := Import(t.Context(), store, o)
	if !errors.Is(err, ErrRefused) || r.Published || r.Verification == nil || r.Verification.Passed {
		t.Errorf("%v, %+v", err, r)
	}
	if _, err := os.Stat(o.Reports[0]); err != nil {
		t.Error(err)
	}
	if e, err := store.Lookup(first.Name); err != nil || e.Digest != first.Manifest {
		t.Errorf("the name points at %s, %v; want %s", e.Digest, err, first.Manifest)
	}
}

func TestImportRefusesOptions(t *testing.T) {
	store := openStore(t, t.TempDir())
	for _, c := range []struct {
		edit func(*ImportOptions)
		says string
	}{
		{func(o *ImportOptions) { o.Source = "" }, "names no source"},
		{func(o *ImportOptions) { o.Jobs = -1 }, "--jobs -1"},
		{func(o *ImportOptions) { o.Reports = []string{"r.html"} }, "leaves nothing to report"},
		{func(o *ImportOptions) { o.Reports, o.Checks.Level = []string{"r.pdf"}, report.Blobs }, "ending must be"},
	} {
		o := unverified(dense, quant.Format{})
		c.edit(&o)
		if _, err := Import(t.Context(), store, o); !errors.Is(err, ErrOptions) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v; want %q", err, c.says)
		}
	}
	if entries, err := os.ReadDir(store.Root()); err != nil || len(entries) > 0 {
		t.Errorf("the store has %v, %v", entries, err)
	}
}

// TestImportKeepsUnchanged: the same again, with a verdict that holds, is not repeated; a deeper
// level, or other bytes, are.
func TestImportKeepsUnchanged(t *testing.T) {
	store := openStore(t, t.TempDir())
	o := unverified(dense, quant.FormatNVFP4)
	o.Checks.Level, o.KeepUnchanged = report.Blobs, true
	for i, want := range []bool{false, true, true} {
		r, err := Import(t.Context(), store, o)
		if err != nil || r.Unchanged != want || !r.Published || r.Verification == nil {
			t.Fatalf("import %d: unchanged %v, %v", i+1, r.Unchanged, err)
		}
	}
	o.Plan.Recipe.Type = quant.FormatMXFP8
	if r, err := Import(t.Context(), store, o); err != nil || r.Unchanged {
		t.Errorf("another type: unchanged %v, %v", r.Unchanged, err)
	}
	if left, err := os.ReadDir(filepath.Join(store.Root(), "qimport-staging")); err != nil || len(left) > 1 {
		t.Errorf("staging holds %v, %v", left, err)
	}
}

// TestImportStopsWhenToldTo: a context that ends stops it, and the name stays away.
func TestImportStopsWhenToldTo(t *testing.T) {
	store := openStore(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	o := unverified(dense, quant.FormatNVFP4)
	o.Watch = stopAtFirst{&notes{}, cancel}
	if _, err := Import(ctx, store, o); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if models, err := List(store); err != nil || len(models) > 0 {
		t.Errorf("%v, %v", models, err)
	}
	o.Watch = nil
	if r, err := Import(t.Context(), store, o); err != nil || !r.Published {
		t.Errorf("again: %v", err)
	}
}

// stopAtFirst ends a context as soon as bytes are through.
type stopAtFirst struct {
	*notes
	stop func()
}

func (s stopAtFirst) Begin(string) Progress   { return s }
func (s stopAtFirst) Bytes(done, total int64) { s.stop() }

// TestImportsBesideEachOther: several imports, two of them the very same, gc and check, over one
// store at the same time. Each ends well, or says that another is at the same; the store is whole.
func TestImportsBesideEachOther(t *testing.T) {
	root := t.TempDir()
	g, ctx := errgroup.WithContext(t.Context())
	for i, format := range []quant.Format{{}, quant.FormatNVFP4, quant.FormatMXFP8, quant.FormatInt4, quant.FormatNVFP4} {
		g.Go(func() error {
			store, err := manifest.Open(root)
			if err != nil {
				return err
			}
			o := unverified(dense, format)
			o.Name = fmt.Sprintf("m%d", i)
			_, err = Import(ctx, store, o)
			if errors.Is(err, manifest.ErrLocked) {
				return nil
			}
			return err
		})
	}
	for range 3 {
		g.Go(func() error {
			store, err := manifest.Open(root)
			if err != nil {
				return err
			}
			_, err = store.GC(ctx, manifest.GCOptions{})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	store := openStore(t, root)
	if models, err := List(store); err != nil || len(models) < 4 {
		t.Errorf("%d models, %v", len(models), err)
	}
	if r, err := store.Check(t.Context(), nil); err != nil || r.Err() != nil {
		t.Errorf("%v, %v", err, r.Err())
	}
}

func TestPlanChangesNothing(t *testing.T) {
	root := filepath.Join(t.TempDir(), "store")
	p, err := Plan(t.Context(), openStore(t, root), unverified(dense, quant.FormatNVFP4))
	if err != nil {
		t.Fatal(err)
	}
	if r := p.Report(); len(r.Tensors) != 108 || r.PeakMemory == 0 || r.Free == 0 || p.NoSpace != nil {
		t.Errorf("%d tensors, peak %d, free %d, %v", len(r.Tensors), r.PeakMemory, r.Free, p.NoSpace)
	}
	if _, err := os.Stat(root); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the store was made: %v", err)
	}
}
