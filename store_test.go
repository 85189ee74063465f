package qimport

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"qimport/convert/plan"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"qimport/convert/write"
	"qimport/manifest"
	"qimport/quant"
	"qimport/quant/recipe"
	"qimport/verify/report"
)

// imported imports a shipped model without running it.
func imported(t *testing.T, store *manifest.Store, o ImportOptions) manifest.Entry {
	t.Helper()
	r, err := Import(t.Context(), store, o)
	if err != nil {
		t.Fatal(err)
	}
	e, err := store.Lookup(r.Name)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// layerOf is the layer of that name.
func layerOf(t *testing.T, e manifest.Entry, name string) manifest.Layer {
	t.Helper()
	i := slices.IndexFunc(e.Manifest.Layers, func(l manifest.Layer) bool { return l.Name == name })
	if i < 0 {
		t.Fatalf("%s has no layer %s", e.Name, name)
	}
	return e.Manifest.Layers[i]
}

// flip changes one byte of a blob, and leaves size and time as they were.
func flip(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.Write(b)
	if err := errors.Join(err, file.Close(), os.Chtimes(path, time.Time{}, info.ModTime())); err != nil {
		t.Fatal(err)
	}
}

// fingerprintOf is the name of the staging folder of an import.
func fingerprintOf(t *testing.T, o ImportOptions) string {
	t.Helper()
	src, err := OpenSource(t.Context(), o.Source, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	p, err := makePlan(t.Context(), src, o.Plan, plan.Parts{})
	if err != nil {
		t.Fatal(err)
	}
	fingerprint, err := write.Fingerprint(p)
	if err != nil {
		t.Fatal(err)
	}
	return fingerprint
}

func whole(t *testing.T, store *manifest.Store) {
	t.Helper()
	if r, err := store.Check(t.Context(), nil); err != nil || r.Err() != nil {
		t.Errorf("%v, %v", err, r.Err())
	}
}

// TestImportHealsDamage: the index says which blob the source makes, and is not believed over a damaged
// one, whatever is verified; nor does a batch call it unchanged.
func TestImportHealsDamage(t *testing.T) {
	for _, level := range []report.Level{verifyNone, report.Blobs} {
		for _, keep := range []bool{false, true} {
			store := openStore(t, t.TempDir())
			o := unverified(dense, quant.FormatNVFP4)
			o.Checks.Level, o.KeepUnchanged = level, keep
			e := imported(t, store, o)
			for _, l := range []manifest.Layer{e.Manifest.Layers[0], layerOf(t, e, "tokenizer.json"), e.Manifest.Config} {
				flip(t, store.Blob(l.Digest))
			}
			if again := imported(t, store, o); again.Digest != e.Digest {
				t.Errorf("the same source makes %s, then %s", e.Digest, again.Digest)
			}
			whole(t, store)
		}
	}
}

// TestRefusedImportIsReadAgain: bytes that the disk has changed, which no time of change shows, are found
// by the verification; the next import reads what it believed before.
func TestRefusedImportIsReadAgain(t *testing.T) {
	store := openStore(t, t.TempDir())
	o := unverified(dense, quant.FormatNVFP4)
	o.Checks.Level = report.Blobs
	e := imported(t, store, o)
	rot(t, store, e.Manifest.Layers[0])
	if _, err := Import(t.Context(), store, o); !errors.Is(err, ErrRefused) {
		t.Fatalf("verified: %v", err)
	}
	imported(t, store, o)
	whole(t, store)
}

// rot changes a blob, and the evidence for it to fit, as a disk would that loses a bit.
func rot(t *testing.T, store *manifest.Store, l manifest.Layer) {
	t.Helper()
	path, index := store.Blob(l.Digest), filepath.Join(store.Root(), "qimport-hashed")
	flip(t, path)
	b, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(b)) {
		if fields := strings.Fields(line); fields[0] == l.Digest.String() {
			fields[4] = changedNow(t, path)
			line = strings.Join(fields, " ") + "\n"
		}
		lines = append(lines, line)
	}
	if err := os.WriteFile(index, []byte(strings.Join(lines, "")), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestRepair: damaged, cut and missing blobs of several names and formats are made anew; what the source
// does not make is left, and said.
func TestRepair(t *testing.T) {
	store, watcher := openStore(t, t.TempDir()), &notes{}
	o := unverified(dense, quant.FormatNVFP4)
	rule, err := recipe.ParseOverride("**.k_proj=affine:6:128")
	if err != nil {
		t.Fatal(err)
	}
	o.Plan.Recipe.Rules, o.Plan.ScaleSearch = []recipe.Rule{rule}, true
	a := imported(t, store, o)
	o = unverified(dense, quant.FormatMXFP8)
	o.Name = "b"
	b := imported(t, store, o)
	o = unverified(moe, quant.Format{})
	o.Name = "c"
	c := imported(t, store, o)
	for _, l := range append(slices.Clone(a.Manifest.Layers[:40]), b.Manifest.Layers[:40]...) {
		if err := os.Truncate(store.Blob(l.Digest), 100); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		os.Remove(store.Blob(layerOf(t, b, "tokenizer.json").Digest))
	}
	flip(t, store.Blob(a.Manifest.Config.Digest))
	rot(t, store, layerOf(t, a, "language_model.model.layers.3.self_attn.k_proj.weight"))
	r, err := Repair(t.Context(), store, RepairOptions{Source: dense, Watch: watcher})
	if err != nil || r.Err() != nil || len(r.Repaired) < 50 || len(r.Left) > 0 {
		t.Fatalf("repaired %d, left %v, %v", len(r.Repaired), r.Err(), err)
	}
	whole(t, store)

	flip(t, store.Blob(c.Manifest.Layers[0].Digest))
	r, err = Repair(t.Context(), store, RepairOptions{Source: dense, Watch: watcher})
	if err != nil || len(r.Left) != 1 || !errors.Is(r.Err(), manifest.ErrDamaged) || !strings.Contains(strings.Join(watcher.lines, "\n"), "does not make") {
		t.Errorf("from another source: %v, %v, told %v", r.Err(), err, watcher.lines[len(watcher.lines)-1])
	}
	if r, err = Repair(t.Context(), store, RepairOptions{Source: moe}); err != nil || len(r.Repaired) != 1 {
		t.Errorf("from its own: %+v, %v", r.Left, err)
	}
	whole(t, store)
	if left, err := os.ReadDir(filepath.Join(store.Root(), "qimport-staging")); err != nil || len(left) > 1 {
		t.Errorf("staging holds %v, %v", left, err)
	}
}

// layOver lays a Modelfile over a name, as ollama create does.
func layOver(t *testing.T, store *manifest.Store, e manifest.Entry, system, params string) manifest.Entry {
	t.Helper()
	stage, err := store.Stage("overlay")
	if err != nil {
		t.Fatal(err)
	}
	defer stage.Keep()
	for mediaType, text := range map[string]string{manifest.MediaTypeSystem: system, manifest.MediaTypeParams: params} {
		l, err := stage.Put(mediaType, mediaType, "", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		e.Manifest.Layers = append(e.Manifest.Layers, l)
	}
	if _, err := stage.Publish(t.Context(), e.Name, e.Manifest); err != nil {
		t.Fatal(err)
	}
	e, err = store.Lookup(e.Name)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

const someParams = `{"min_p":0.1,"num_predict":7,"repeat_penalty":1.1,"seed":3,"stop":["a","b"],"temperature":0.5,"top_k":20,"top_p":0.9}` + "\n"

// TestOverlayIsKept: what a Modelfile laid over a name survives another import, of another type too,
// and the importer says so; a damaged one, and one of another kind of model, is dropped, and that said.
func TestOverlayIsKept(t *testing.T) {
	store, watcher := openStore(t, t.TempDir()), &notes{}
	laid := layOver(t, store, imported(t, store, unverified(dense, quant.FormatNVFP4)), "You are a pirate.", someParams)
	o := unverified(dense, quant.FormatNVFP4)
	o.Watch = watcher
	if again := imported(t, store, o); len(again.Manifest.Layers) != len(laid.Manifest.Layers) {
		t.Errorf("%d layers, then %d", len(laid.Manifest.Layers), len(again.Manifest.Layers))
	}
	o.Plan.Recipe.Type = quant.FormatMXFP8
	e := imported(t, store, o)
	if told := strings.Join(watcher.lines, "\n"); strings.Count(told, "keeps what was laid over it: ") != 2 {
		t.Errorf("told %s", told)
	}
	m, err := Find(func() (*manifest.Store, error) { return store, nil }, "m")
	if err != nil {
		t.Fatal(err)
	}
	over, err := m.Overlay()
	if p := over.Parameters; err != nil || over.System != "You are a pirate." || *p.Temperature != 0.5 || *p.TopK != 20 || *p.TopP != 0.9 ||
		*p.MinP != 0.1 || *p.RepeatPenalty != 1.1 || *p.Seed != 3 || *p.NumPredict != 7 || !slices.Equal(p.Stop, []string{"a", "b"}) {
		t.Errorf("%+v, %v", over, err)
	}
	whole(t, store)

	system := e.Manifest.Layers[slices.IndexFunc(e.Manifest.Layers, func(l manifest.Layer) bool { return l.MediaType == manifest.MediaTypeSystem })]
	flip(t, store.Blob(system.Digest))
	if _, err := m.Overlay(); !errors.Is(err, manifest.ErrDamaged) {
		t.Errorf("a damaged one is read: %v", err)
	}
	watcher.lines = nil
	imported(t, store, o)
	if told := strings.Join(watcher.lines, "\n"); !strings.Contains(told, "loses what was laid over it: system") {
		t.Errorf("told %s", told)
	}

	stage, err := store.Stage("gguf")
	if err != nil {
		t.Fatal(err)
	}
	weights, err := stage.Put("w", "application/vnd.ollama.image.model", "", []byte("GGUF"))
	if err != nil {
		t.Fatal(err)
	}
	template, err := stage.Put("t", manifest.MediaTypeTemplate, "", []byte("{{ .Prompt }}"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stage.Publish(t.Context(), e.Name, manifest.New(manifest.Layer{}, []manifest.Layer{weights, template})); err != nil {
		t.Fatal(err)
	}
	watcher.lines = nil
	if e := imported(t, store, o); slices.ContainsFunc(e.Manifest.Layers, func(l manifest.Layer) bool { return l.MediaType == manifest.MediaTypeTemplate }) {
		t.Error("the template of another kind of model is kept")
	}
	if told := strings.Join(watcher.lines, "\n"); !strings.Contains(told, "loses what was laid over it: template") {
		t.Errorf("told %s", told)
	}
}

// TestOverlayParameters: one stop in place of a list, and none that there is a meaning for.
func TestOverlayParameters(t *testing.T) {
	var p Parameters
	if err := json.Unmarshal([]byte(`{"stop":"x","num_ctx":4096}`), &p); err != nil || !slices.Equal(p.Stop, []string{"x"}) || p.Temperature != nil {
		t.Errorf("%+v, %v", p, err)
	}
	if err := json.Unmarshal([]byte(`{"stop":3}`), &p); err == nil {
		t.Error("a number is taken for a text")
	}
}

// TestDamagedVerdictIsANote: a kept report that cannot be read is said, and does not keep show, verify
// or a batch from their work.
func TestDamagedVerdictIsANote(t *testing.T) {
	store, watcher := openStore(t, t.TempDir()), &notes{}
	o := unverified(dense, quant.FormatNVFP4)
	o.Checks.Level, o.KeepUnchanged = report.Blobs, true
	e := imported(t, store, o)
	path := filepath.Join(store.Root(), "qimport-reports", e.Digest.FileName()+".json")
	for _, level := range []report.Level{report.Blobs, verifyNone} {
		if err := os.WriteFile(path, []byte(`{"schema":1,"checks":[{"passed":`), 0o644); err != nil {
			t.Fatal(err)
		}
		if s, err := Show(store, e.Name); err != nil || !strings.Contains(strings.Join(s.Notes, "\n"), "cannot be read, and is ignored") {
			t.Errorf("show: %v, %v", s.Notes, err)
		}
		o.Checks.Level, o.Watch, watcher.lines = level, watcher, nil
		if _, err := Batch(t.Context(), store, []BatchEntry{{ImportOptions: o, Model: e.Name}}, BatchOptions{Watch: watcher}); err != nil || !strings.Contains(strings.Join(watcher.lines, "\n"), "cannot be read, and is ignored") {
			t.Errorf("batch: %v, %v", watcher.lines, err)
		}
	}
	o.Checks.Level, watcher.lines = report.Blobs, nil
	r, err := Verify(t.Context(), func() (*manifest.Store, error) { return store, nil }, "m", VerifyOptions{Checks: o.Checks, Watch: watcher})
	if err != nil || !r.Passed || !strings.Contains(strings.Join(watcher.lines, "\n"), "cannot be read, and is ignored") {
		t.Errorf("verify: %v, %v", watcher.lines, err)
	}
	if kept, err := KeptVerdict(store, e.Digest); err != nil || kept == nil {
		t.Errorf("it was not made anew: %v", err)
	}
}

// TestSameImportWaits: the same source and plan under two names at once, and both come through.
func TestSameImportWaits(t *testing.T) {
	store := openStore(t, t.TempDir())
	held, err := store.Stage(fingerprintOf(t, unverified(dense, quant.FormatNVFP4)))
	if err != nil {
		t.Fatal(err)
	}
	watcher := &notes{}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	o := unverified(dense, quant.FormatNVFP4)
	o.Watch = watcher
	if _, err := Import(ctx, store, o); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(strings.Join(watcher.lines, "\n"), "waiting for it") {
		t.Errorf("while another is at it: %v, told %v", err, watcher.lines)
	}
	if err := held.Keep(); err != nil {
		t.Fatal(err)
	}
	var g errgroup.Group
	for _, name := range []string{"one", "two", "three"} {
		g.Go(func() error {
			o := unverified(dense, quant.FormatNVFP4)
			o.Name = name
			_, err := Import(t.Context(), store, o)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	if models, err := List(store); err != nil || len(models) != 3 {
		t.Errorf("%d models, %v", len(models), err)
	}
	whole(t, store)
}

// TestSpaceCountsWhatIsThere: a plan that is in the store already needs next to nothing.
func TestSpaceCountsWhatIsThere(t *testing.T) {
	store := openStore(t, t.TempDir())
	o := unverified(dense, quant.FormatNVFP4)
	before, err := Plan(t.Context(), store, o)
	if err != nil {
		t.Fatal(err)
	}
	imported(t, store, o)
	after, err := Plan(t.Context(), store, o)
	if err != nil || before.Space.Needed == 0 || after.Space.Needed != 0 {
		t.Errorf("needed %d, then %d, %v", before.Space.Needed, after.Space.Needed, err)
	}
}

// FuzzKeptVerdict: whatever lies where a report should, reading it ends, and says yes only to a report.
func FuzzKeptVerdict(f *testing.F) {
	f.Add([]byte(`{"schema":1,"manifest":"sha256:00","level":"smoke","passed":true,"checks":[{"name":"x","passed":null}]}`))
	f.Add([]byte(`{"schema":1,"checks":[{"passed":`))
	f.Add([]byte(`null`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := report.Parse(b)
		if err != nil {
			return
		}
		again, err := r.JSON()
		if err != nil {
			t.Fatalf("accepted what it cannot write: %v", err)
		}
		if _, err := report.Parse(again); err != nil {
			t.Fatalf("accepted what it cannot read back: %v", err)
		}
	})
}
