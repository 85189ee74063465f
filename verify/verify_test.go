package verify

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qimport/convert/source"
	"qimport/manifest"
	"qimport/quant"
	"qimport/quant/recipe"
	"qimport/runtime"
	"qimport/verify/report"
)

func names(checks []report.Check) []string {
	var all []string
	for _, c := range checks {
		all = append(all, c.Name)
	}
	return all
}

// failed lists the checks that ended so.
func ended(r report.Report, o report.Outcome) []string {
	return names(slices.DeleteFunc(slices.Clone(r.Checks), func(c report.Check) bool { return c.Passed != o }))
}

func TestSmokePasses(t *testing.T) {
	needMLX(t)
	for _, dir := range []string{dense, mixture} {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			o := Options{Level: report.Smoke, Lengths: []int{1, 31, 33, 129}, Tokens: 120}
			r := judge(t, Directory("tiny", dir), o)
			if !r.Passed {
				t.Errorf("failed %v, not run %v", ended(r, report.Failed), ended(r, report.NotRun))
			}
			want := []string{"blobs.tensors", "blobs.files", "smoke.vocabulary", "smoke.template", "smoke.turns", "smoke.thinking", "smoke.tools", "smoke.load", "smoke.products",
				"smoke.prefill.1", "smoke.prefill.31", "smoke.prefill.33", "smoke.prefill.129",
				"smoke.answer.1", "smoke.answer.2", "smoke.answer.3", "smoke.answer.4", "smoke.stops", "smoke.repetition", "smoke.control",
				"smoke.generation", "smoke.finite", "smoke.state", "smoke.decay"}
			if got := names(r.Checks); !slices.Equal(got, want) {
				t.Errorf("asked %v\nwant  %v", got, want)
			}
			e := r.Environment
			if e.Backend == "" || e.Versions["mlx"] == "" || e.Dtypes["state"] != "float32" || e.Dtypes["decay"] != "float32" || e.Dtypes["activations"] == "" {
				t.Errorf("environment %+v", e)
			}
			if len(r.Answers) != 4 || r.Answers[0].Stop != "eos" || !strings.Contains(r.Answers[0].Text, "4") {
				t.Errorf("answers %+v", r.Answers)
			}
			for _, n := range []string{"smoke.prefill.31", "smoke.prefill.129"} {
				if c, _ := r.Check(n); c.Value == nil || *c.Value == 0 || *c.Value > 1e-3 {
					t.Errorf("%s measured %v: it must be small, yet cannot be nothing", n, c.Value)
				}
			}
		})
	}
}

// An import is judged staged, stored and against its source; it differs, and by how much is told.
func TestQualityPasses(t *testing.T) {
	needMLX(t)
	store, name := importInto(t, dense, recipe.Recipe{Policy: recipe.Ollama, Type: quant.FormatNVFP4})
	target, err := Stored(store, name)
	if err != nil {
		t.Fatal(err)
	}
	r := judge(t, against(t, target, dense), quick(report.Quality))
	if !r.Passed {
		t.Fatalf("failed %v, not run %v", ended(r, report.Failed), ended(r, report.NotRun))
	}
	d := r.Divergence
	if d == nil || d.MeanKL <= 1e-6 || d.MaxKL < d.MeanKL || d.Positions != 511 || d.TextDigest == "" || len(d.ByDepth) == 0 {
		t.Errorf("mean KL %v, max %v over %d positions, text %q", d.MeanKL, d.MaxKL, d.Positions, d.TextDigest)
	}
	worst := r.Tensors[0]
	if worst.Format != "nvfp4" || worst.Error < 0.005 || worst.SNR == nil {
		t.Errorf("worst tensor %+v", worst)
	}
	if r.Manifest != target.Manifest.String() || r.Stale(target.Manifest.String(), report.Smoke) != "" {
		t.Errorf("the verdict on %s does not apply to it", r.Manifest)
	}
}

// What was asked for and cannot be run is listed, and makes the verdict no.
func TestNotRunIsNotPassed(t *testing.T) {
	r := judge(t, Directory("tiny", dense), Options{Level: report.Quality, Lengths: []int{1}, Runtime: runtime.Options{Memory: 1e-9}})
	if r.Passed {
		t.Error("passed without having run")
	}
	for _, n := range []string{"smoke.load", "smoke.products", "smoke.prefill.1", "smoke.answer.1", "smoke.stops", "smoke.repetition", "smoke.control",
		"smoke.finite", "smoke.state", "smoke.decay", "quality.config", "quality.tensors", "quality.engaged", "quality.tokens",
		"quality.kl", "quality.top1", "quality.perplexity", "quality.depth", "quality.reference"} {
		if c, ok := r.Check(n); !ok || c.Passed != report.NotRun || c.Detail == "" {
			t.Errorf("%s: asked %v, %s (%s)", n, ok, c.Passed, c.Detail)
		}
	}
}

func TestSourceFiles(t *testing.T) {
	source, err := source.OpenDir(mixture)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	for _, weights := range []bool{false, true} {
		files, err := SourceFiles(context.Background(), source, weights)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(filepath.Join(mixture, f.Name))
			if err != nil {
				t.Fatal(err)
			}
			hashed := weights || !strings.HasSuffix(f.Name, ".safetensors")
			if want := strings.TrimPrefix(manifest.DigestOf(b).String(), "sha256:"); f.Bytes != int64(len(b)) || (f.SHA256 == want) != hashed {
				t.Errorf("%s: %d bytes, digest %q", f.Name, f.Bytes, f.SHA256)
			}
			if (f.HeaderSHA256 == "") != hashed {
				t.Errorf("%s: digest %q, of its header %q", f.Name, f.SHA256, f.HeaderSHA256)
			}
		}
	}
}

func TestBlobsLevelNeedsNoMLX(t *testing.T) {
	store, name := importInto(t, mixture, recipe.Recipe{Policy: recipe.KeepSource})
	target, err := Stored(store, name)
	if err != nil {
		t.Fatal(err)
	}
	r := judge(t, target, Options{Level: report.Blobs})
	if !r.Passed || !slices.Equal(names(r.Checks), []string{"blobs.digests", "blobs.tensors", "blobs.files"}) {
		t.Errorf("passed %v, asked %v", r.Passed, names(r.Checks))
	}
	if r.Environment.Backend != "" {
		t.Errorf("a backend is named, %s, though nothing was run", r.Environment.Backend)
	}
}

func TestRunRefusesOptions(t *testing.T) {
	negative := -1.0
	for name, o := range map[string]Options{
		"an unknown level":            {Level: "all"},
		"a bad case":                  {Level: report.Smoke, Cases: []Case{{Expect: "4"}}},
		"a length of nothing":         {Level: report.Smoke, Lengths: []int{0}},
		"tokens below zero":           {Level: report.Smoke, Tokens: -1},
		"a limit that nothing meets":  {Level: report.Quality, Limits: Limits{MaxKL: &negative}},
		"an ablation without running": {Level: report.Blobs, Ablate: []Ablate{AblateState}},
	} {
		if r, err := Run(context.Background(), Directory("tiny", dense), o); err == nil {
			t.Errorf("%s: judged, passed %v", name, r.Passed)
		}
	}
}

func TestRunStopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	o := quick(report.Smoke)
	o.Progress = func(check string) {
		if check == "smoke.template" {
			cancel()
		}
	}
	if _, err := Run(ctx, Directory("tiny", dense), o); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestStoredUnknownName(t *testing.T) {
	store, err := manifest.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	name, err := manifest.ParseName("nobody")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Stored(store, name); !errors.Is(err, manifest.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// The trained questions of the fixtures, as a file of cases.
func TestTrainedAnswers(t *testing.T) {
	needMLX(t)
	var samples []struct{ Q, Want string }
	b, err := os.ReadFile(filepath.Join(dense, "samples.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &samples); err != nil {
		t.Fatal(err)
	}
	o := quick(report.Smoke)
	o.Cases = nil
	for _, s := range samples[8:20] {
		o.Cases = append(o.Cases, Case{Prompt: s.Q, Expect: "^" + quoted(s.Want) + "$"})
	}
	if r := judge(t, Directory("tiny", dense), o); !r.Passed {
		t.Errorf("failed %v", ended(r, report.Failed))
	}
}

func quoted(s string) string { return strings.NewReplacer(`.`, `\.`, `*`, `\*`, `+`, `\+`).Replace(s) }

// Scores kept once stand in for the source, and say the same.
func TestStoredScores(t *testing.T) {
	needMLX(t)
	path := filepath.Join(t.TempDir(), "reference.safetensors")
	o := quick(report.Smoke)
	o.SaveScores = path
	if r := judge(t, Directory("reference", dense), o); !r.Passed {
		t.Fatalf("failed %v", ended(r, report.Failed))
	}
	store, name := importInto(t, dense, recipe.Recipe{Policy: recipe.Uniform, Type: quant.FormatInt8})
	target, err := Stored(store, name)
	if err != nil {
		t.Fatal(err)
	}
	o = quick(report.Quality)
	live := judge(t, against(t, target, dense), o)
	o.Scores = path
	stored := judge(t, target, o)
	if !live.Passed || !stored.Passed {
		t.Fatalf("live: failed %v; stored: failed %v", ended(live, report.Failed), ended(stored, report.Failed))
	}
	near(t, "mean KL", stored.Divergence.MeanKL, live.Divergence.MeanKL, 1e-7)
	if _, asked := stored.Check("quality.tensors"); asked {
		t.Error("tensors were asked for without a source to compare with")
	}
	if !strings.Contains(stored.Divergence.Reference, "reference") {
		t.Errorf("the report does not name the scores: %q", stored.Divergence.Reference)
	}
	o.Texts = []Text{{Name: "other.txt", Text: "The scores are of another text than this one, which goes on for long enough to be taken for one, and then for some more."}}
	if r := judge(t, target, o); !slices.Contains(ended(r, report.Failed), "quality.tokens") || !slices.Contains(ended(r, report.NotRun), "quality.kl") {
		t.Errorf("another text: failed %v, not run %v", ended(r, report.Failed), ended(r, report.NotRun))
	}
}

func TestAblations(t *testing.T) {
	needMLX(t)
	o := quick(report.Smoke)
	o.Ablate = []Ablate{AblateState, AblateDecay}
	r := judge(t, Directory("tiny", dense), o)
	if !r.Passed || len(r.Ablations) != 2 {
		t.Fatalf("failed %v, %d ablations", ended(r, report.Failed), len(r.Ablations))
	}
	for _, a := range r.Ablations {
		d := a.Divergence
		t.Logf("%s: mean KL %.3g, max %.3g", a.What, d.MeanKL, d.MaxKL)
		// bf16 costs something at every depth, far above what float32 differs by from itself.
		if d.MeanKL < 1e-8 || d.Positions != 511 {
			t.Errorf("%s: mean KL %v over %d positions", a.What, d.MeanKL, d.Positions)
		}
	}
	if r.Environment.Dtypes["state"] != "float32" {
		t.Errorf("the ablated run's dtypes are told as the model's: %v", r.Environment.Dtypes)
	}
}

func TestLimitsDecide(t *testing.T) {
	needMLX(t)
	store, name := importInto(t, dense, recipe.Recipe{Policy: recipe.Uniform, Type: quant.FormatInt4})
	target, err := Stored(store, name)
	if err != nil {
		t.Fatal(err)
	}
	strictKL, strictTop1, strictPPL := 1e-9, 1.0, 0.0
	o := quick(report.Quality)
	o.Limits = Limits{MaxKL: &strictKL, MinTop1: &strictTop1, MaxPPLIncrease: &strictPPL}
	r := judge(t, against(t, target, dense), o)
	for _, n := range []string{"quality.kl", "quality.top1", "quality.perplexity", "quality.depth"} {
		c, _ := r.Check(n)
		if n != "quality.perplexity" && c.Passed != report.Failed {
			t.Errorf("%s: %s under a limit that nothing meets", n, c.Passed)
		}
		if c.Value == nil || c.Limit == nil {
			t.Errorf("%s has no numbers: %+v", n, c)
		}
	}
}
