package write

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"qimport/convert/encode"
	"qimport/convert/plan"
	"qimport/convert/source"
	"qimport/quant"
	"qimport/quant/recipe"
)

// watched is a source that notes in which order its tensors are loaded, and how many pieces are read at once.
type watched struct {
	memory
	log   *readLog
	fails string // a tensor that cannot be read
}

type readLog struct {
	mu     sync.Mutex
	loaded []string
	now    atomic.Int32
	most   atomic.Int32
}

func (w watched) LoadPiece(t source.Tensor, i int) (quant.Tensor, error) {
	w.log.mu.Lock()
	w.log.loaded = append(w.log.loaded, t.Name)
	w.log.mu.Unlock()
	if t.Name == w.fails {
		return quant.Tensor{}, errors.New("it cannot be read")
	}
	return w.memory.LoadPiece(t, i)
}

func (w watched) Guard(f func() error) error {
	n := w.log.now.Add(1)
	defer w.log.now.Add(-1)
	for most := w.log.most.Load(); n > most && !w.log.most.CompareAndSwap(most, n); most = w.log.most.Load() {
	}
	return f()
}

func typed(t *testing.T, inv source.Inventory, format quant.Format) plan.Plan {
	t.Helper()
	p, err := plan.New(inv, recipe.Recipe{Type: format, AllowRequantize: true}, plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestSeveral: a pass for three variants leaves what three imports make, works at no more at a time than one
// import, and one variant's failure is its own.
func TestSeveral(t *testing.T) {
	src := mixedModel()
	inv := src.inventory(t)
	plans := []plan.Plan{typed(t, inv, quant.FormatNVFP4), typed(t, inv, quant.FormatMXFP8), typed(t, inv, quant.FormatInt8)}
	const jobs, broken = 2, 1
	root, log := t.TempDir(), &readLog{}
	var variants []Variant
	for i, p := range plans {
		w := watched{memory: src, log: log}
		if i == broken {
			w.fails = "model.layers.0.mlp.switch_mlp.up_proj.weight"
		}
		variants = append(variants, Variant{p, w, openStage(t, p, root)})
	}
	var last encode.Progress
	outcomes := Several(t.Context(), variants, Options{Jobs: jobs, Progress: func(p encode.Progress) { last = p }})
	if most := log.most.Load(); most > jobs {
		t.Errorf("%d pieces were read at once by %d jobs", most, jobs)
	}
	if err := outcomes[broken].Err; err == nil || !strings.Contains(err.Error(), "it cannot be read") {
		t.Errorf("the broken variant: %v", err)
	}
	if last.Done == 0 || last.Done > last.Total {
		t.Errorf("in the end the progress is %+v", last)
	}
	for i, p := range plans {
		if i == broken {
			continue
		}
		o := outcomes[i]
		if o.Err != nil || o.Stats.BlobsWritten == 0 {
			t.Fatalf("variant %d: %+v", i, o)
		}
		m, stats, err := Blobs(t.Context(), p, src, variants[i].Stage, Options{})
		if err != nil {
			t.Fatal(err)
		}
		alone := write(t, p, src, t.TempDir(), Options{})
		if m.Digest() != alone.manifest.Digest() {
			t.Errorf("variant %d has another manifest than an import of its own", i)
		}
		if stats.BytesReused < o.Stats.BytesWritten || i == 0 && o.Stats.BytesRead != alone.stats.BytesRead {
			t.Errorf("variant %d: %+v in the pass, %+v then, %+v alone", i, o.Stats, stats, alone.stats)
		}
	}
}

// TestSeveralReadOnce: what variants make of a tensor is made at one time, so that its bytes are read from the
// disk once: between the first and the last look at it, no more others are looked at than are under way.
func TestSeveralReadOnce(t *testing.T) {
	src, log := mixedModel(), &readLog{}
	inv := src.inventory(t)
	root := t.TempDir()
	var variants []Variant
	for _, f := range []quant.Format{quant.FormatNVFP4, quant.FormatMXFP8, quant.FormatInt8} {
		p := typed(t, inv, f)
		variants = append(variants, Variant{p, watched{memory: src, log: log}, openStage(t, p, root)})
	}
	Several(t.Context(), variants, Options{Jobs: 1})
	between := 0
	for i, name := range log.loaded {
		last, others := i, map[string]bool{}
		for at, other := range log.loaded[i:] {
			if other == name {
				last = i + at
			}
		}
		for _, other := range log.loaded[i:last] {
			others[other] = true
		}
		between = max(between, len(others))
	}
	if between > 4 { // two blobs, the larger of them of two tensors
		t.Errorf("up to %d tensors are read before one is done with: %q", between, log.loaded)
	}
}

// TestSeveralShareBlobs: what two variants have in common is written by the first alone.
func TestSeveralShareBlobs(t *testing.T) {
	src := mixedModel()
	inv := src.inventory(t)
	rule, err := recipe.ParseOverride("model.layers.0.mlp.switch_mlp.up_proj.weight=int8")
	if err != nil {
		t.Fatal(err)
	}
	other, err := plan.New(inv, recipe.Recipe{Type: quant.FormatNVFP4, Rules: []recipe.Rule{rule}, AllowRequantize: true}, plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	root, one := t.TempDir(), typed(t, inv, quant.FormatNVFP4)
	outcomes := Several(t.Context(), []Variant{{one, src, openStage(t, one, root)}, {other, src, openStage(t, other, root)}}, Options{})
	if outcomes[0].Stats.BlobsWritten != len(one.Blobs) || outcomes[1].Stats.BlobsWritten != 1 || outcomes[0].Err != nil || outcomes[1].Err != nil {
		t.Errorf("%+v", outcomes)
	}
}

// TestSeveralStops: an end of the context ends all, and leaves what is finished.
func TestSeveralStops(t *testing.T) {
	src := mixedModel()
	inv := src.inventory(t)
	root := t.TempDir()
	var variants []Variant
	for _, f := range []quant.Format{quant.FormatNVFP4, quant.FormatMXFP8} {
		p := typed(t, inv, f)
		variants = append(variants, Variant{p, src, openStage(t, p, root)})
	}
	ctx, cancel := context.WithCancel(t.Context())
	outcomes := Several(ctx, variants, Options{Jobs: 1, Progress: func(encode.Progress) { cancel() }})
	for i, o := range outcomes {
		if !errors.Is(o.Err, context.Canceled) {
			t.Errorf("variant %d: %v", i, o.Err)
		}
	}
}
