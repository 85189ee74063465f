package verify

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qimport/manifest"
	"qimport/quant"
	"qimport/quant/recipe"
	"qimport/verify/report"
)

// A fault is one known way in which an import goes wrong. smoke is a check that fails by name also
// where no source is at hand, quality one that compares with the source; "" says that no check of
// that kind sees it, which README.md lists.
type fault struct {
	name           string
	good           string // the model that is damaged
	damage         func(checkpointCopy)
	options        func(*Options)
	smoke, quality string
}

func faults() []fault {
	return []fault{
		{name: "norms shifted twice", good: dense, damage: shiftNorms(1), smoke: "blobs.tensors"},
		{name: "norms not shifted", good: dense, damage: shiftNorms(-1), smoke: "blobs.tensors"},
		{name: "one norm shifted twice", good: dense, damage: shiftOneNorm, quality: "quality.tensors"},
		{name: "conv1d axis swapped", good: dense, damage: swapConvAxis, smoke: "blobs.tensors"},
		{name: "conv1d taps reversed", good: dense, damage: reverseTaps, smoke: "smoke.answer.1", quality: "quality.tensors"},
		{name: "query and gate halves swapped", good: dense, damage: swapQueryGate, smoke: "smoke.answer.4", quality: "quality.tensors"},
		{name: "key heads repeated in the wrong order", good: dense, damage: tileKeyHeads, smoke: "smoke.answer.1", quality: "quality.tensors"},
		{name: "A_log in bf16", good: dense, damage: coarseDecay, smoke: "smoke.decay"},
		{name: "delta state in bf16", good: dense, damage: nothing, options: stateBF16, smoke: "smoke.state"},
		{name: "decay in bf16", good: dense, damage: nothing, options: decayBF16, smoke: "smoke.decay"},
		{name: "products wrong with three rows", good: mixture, damage: nothing, options: wrongProducts, smoke: "smoke.products"},
		{name: "experts permuted", good: mixture, damage: permuteExperts, smoke: "smoke.answer.1", quality: "quality.tensors"},
		{name: "gate and up swapped", good: dense, damage: swapGateUp, smoke: "smoke.answer.3", quality: "quality.tensors"},
		{name: "scales of one tensor off by two", good: mixture, damage: doubleOneScale, quality: "quality.tensors"},
		{name: "nibbles of one tensor swapped", good: mixture, damage: swapOneNibbles, smoke: "smoke.answer.3", quality: "quality.tensors"},
		{name: "rope on all dimensions", good: dense, damage: ropeOn("partial_rotary_factor", 1), quality: "quality.config"},
		{name: "wrong rope base", good: dense, damage: ropeOn("rope_theta", 1e7), smoke: "smoke.stops", quality: "quality.config"},
		{name: "logits nearly flat", good: dense, damage: flattenLogits, smoke: "smoke.answer.1", quality: "quality.tensors"},
		{name: "end token missing", good: dense, damage: loseEnd, smoke: "smoke.template"},
		{name: "end token of another model", good: dense, damage: otherEnd, smoke: "smoke.vocabulary"},
		{name: "an infinity among the weights", good: dense, damage: infinity, smoke: "smoke.finite", quality: "quality.tensors"},
		{name: "rope of an unknown type", good: dense, damage: ropeOn("type", "spiral"), smoke: "blobs.tensors"},
		{name: "another model's tokenizer", good: dense, damage: otherTokenizer, smoke: "smoke.answer.3", quality: "quality.tokens"},
		{name: "a larger model's tokenizer", good: dense, damage: largerTokenizer, smoke: "blobs.tensors"},
		{name: "template lost", good: dense, damage: loseTemplate, smoke: "smoke.template", quality: "quality.tokens"},
	}
}

// seeing and seeingMixture are small models that have learnt to see, among the fixtures.
const (
	seeing        = "tiny-qwen3.5-vl"
	seeingMixture = "tiny-qwen3.5-vl-moe"
)

// towerFaults are those of a tower.
func towerFaults() []fault {
	const patches, grid = "patch_embed.proj.weight", "pos_embed.weight"
	rotary := both(towerTensor("attn.qkv.weight", swapRotary), towerTensor("attn.qkv.bias", swapRotary))
	noNorm := both(towerTensor("merger.norm.weight", fillWith(1)), towerTensor("merger.norm.bias", fillWith(0)))
	return []fault{
		{name: "rows and columns of patches swapped", good: seeing, damage: towerTensor(patches, transposePatches), smoke: "smoke.answer.7", quality: "quality.features"},
		{name: "patches read with channels last", good: seeing, damage: towerTensor(patches, permuteWithin(1, readLast())), smoke: "smoke.answer.5", quality: "quality.features"},
		{name: "patches of a token in the wrong order", good: seeingMixture, damage: towerTensor("merger.linear_fc1.weight", permuteWithin(96, []int{0, 2, 1, 3})), smoke: "smoke.answer.7", quality: "quality.tensors"},
		{name: "red and blue swapped", good: seeing, damage: towerTensor(patches, permuteWithin(512, []int{2, 1, 0})), smoke: "smoke.answer.6", quality: "quality.features"},
		{name: "grid of positions transposed", good: seeing, damage: towerTensor(grid, transposeGrid), quality: "quality.features"},
		{name: "merger's norm lost", good: seeing, damage: noNorm, smoke: "smoke.tower", quality: "quality.features"},
		{name: "rows and columns of the tower's rotary swapped", good: seeingMixture, damage: rotary, smoke: "smoke.answer.7", quality: "quality.features"},
		{name: "tower never trained", good: seeing, damage: towerTensor("weight", untrained), smoke: "smoke.answer.5", quality: "quality.tensors"},
		{name: "tower says the same of all pictures", good: seeing, damage: towerTensor("merger.linear_fc2.weight", fillWith(0)), smoke: "smoke.tower", quality: "quality.tensors"},
		{name: "wrong image token", good: seeing, damage: imageToken(1037), smoke: "smoke.tower", quality: "quality.config"},
		{name: "picture processor lost", good: seeing, damage: loseProcessor, smoke: "smoke.tower"},
		{name: "pictures normalised as another model's", good: seeing, damage: clipMean, smoke: "smoke.answer.5", quality: "quality.features"},
	}
}

// Every fault of a tower is caught by the check that is meant to catch it, and the good models pass.
func TestTowerFaults(t *testing.T) {
	folder := fixtures(t)
	needMLX(t)
	o := Options{Level: report.Quality, Lengths: []int{1}, TextTokens: 64}
	for _, c := range DefaultCases() {
		c.Expect, c.Tokens = "", 8 // the small models do not know all of these
		o.Cases = append(o.Cases, c)
	}
	o.Cases = append(o.Cases, seeingCases()...)
	for _, good := range []string{seeing, seeingMixture} {
		dir := filepath.Join(folder, good)
		if r := judge(t, against(t, Directory("good", dir), dir), o); !r.Passed {
			t.Fatalf("%s is good, yet failed %v, not run %v", good, ended(r, report.Failed), ended(r, report.NotRun))
		}
	}
	for _, f := range some(towerFaults()) {
		t.Run(f.name, func(t *testing.T) { f.test(t, filepath.Join(folder, f.good), o) })
	}
}

// Every fault is caught by the check that is meant to catch it, and the good models pass.
func TestFaults(t *testing.T) {
	needMLX(t)
	o := Options{Level: report.Quality, Lengths: []int{33}, TextTokens: 128}
	for _, good := range []string{dense, mixture} {
		if r := judge(t, against(t, Directory("good", good), good), o); !r.Passed {
			t.Fatalf("%s is good, yet failed %v", good, ended(r, report.Failed))
		}
	}
	for _, f := range some(faults()) {
		t.Run(f.name, func(t *testing.T) { f.test(t, f.good, o) })
	}
}

// some is the first few where tests are to be short, as they are under the race detector: all of them take the
// same ways through the program. The full run has all.
func some[T any](all []T) []T {
	if testing.Short() {
		return all[:min(3, len(all))]
	}
	return all
}

// test damages a copy of the good model and expects it to be found out.
func (f fault) test(t *testing.T, good string, o Options) {
	c := copyCheckpoint(t, good)
	f.damage(c)
	if f.options != nil {
		f.options(&o)
	}
	r := judge(t, against(t, Directory("damaged", c.dir), good), o)
	t.Logf("failed: %v", ended(r, report.Failed))
	expectFailure(t, r, f.smoke, func(check string) bool { return !strings.HasPrefix(check, "quality.") })
	expectFailure(t, r, f.quality, func(check string) bool { return strings.HasPrefix(check, "quality.") })
	if r.Passed {
		t.Error("nothing caught it")
	}
}

// expectFailure asks that this check failed; "" that none of its kind did.
func expectFailure(t *testing.T, r report.Report, check string, kind func(string) bool) {
	t.Helper()
	failed := slices.DeleteFunc(ended(r, report.Failed), func(name string) bool { return !kind(name) })
	switch {
	case check == "" && len(failed) > 0:
		t.Errorf("the table says that none sees it, yet it was seen by %v", failed)
	case check != "" && !slices.Contains(failed, check):
		t.Errorf("%s did not fail; failed %v", check, failed)
	}
}

// A model that babbles is caught by a long generation.
func TestGenerationFault(t *testing.T) {
	needMLX(t)
	c := copyCheckpoint(t, mixture)
	permuteExperts(c)
	o := quick(report.Smoke)
	o.Tokens = 400
	r := judge(t, Directory("damaged", c.dir), o)
	expectFailure(t, r, "smoke.generation", func(string) bool { return true })
}

// A source whose numbers are those of the format already: nothing was quantized, whatever the
// formats say.
func TestEngagedFault(t *testing.T) {
	needMLX(t)
	c := copyCheckpoint(t, dense)
	c.editTensors(func(arrays map[string]raw) {
		for name, a := range arrays {
			if a.dtype == quant.BF16 && strings.HasSuffix(name, "down_proj.weight") {
				a.editBF16(func(v []float32) {
					weight, scales, _ := quant.FormatNVFP4.PartSizes(len(v), quant.NoDtype)
					p := quant.Packed{Weight: make([]byte, weight), Scales: make([]byte, scales)}
					c.must(quant.Encode(quant.FormatNVFP4, p, quant.Float32s(v), quant.Options{}))
					packed := quant.Tensor{Shape: a.shape, Format: quant.FormatNVFP4, Data: p.Weight, Scales: p.Scales}
					c.must(packed.Decode(v, 0))
				})
			}
		}
	})
	rule, err := recipe.ParseOverride("**.down_proj=nvfp4")
	if err != nil {
		t.Fatal(err)
	}
	store, name := importInto(t, c.dir, recipe.Recipe{Policy: recipe.KeepSource, Rules: []recipe.Rule{rule}})
	target, err := Stored(store, name)
	if err != nil {
		t.Fatal(err)
	}
	r := judge(t, against(t, target, c.dir), quick(report.Quality))
	for _, check := range []string{"quality.engaged", "quality.kl"} {
		expectFailure(t, r, check, func(string) bool { return true })
	}
}

// A reference that is broken is found out, though the model differs from it as a broken one would.
func TestReferenceFault(t *testing.T) {
	needMLX(t)
	c := copyCheckpoint(t, dense)
	reverseTaps(c)
	r := judge(t, against(t, Directory("good", dense), c.dir), quick(report.Quality))
	check, _ := r.Check("quality.reference")
	if check.Passed != report.Failed && check.Warning == "" {
		t.Errorf("a broken reference goes unnoticed: %s", check.Detail)
	}
	prose := quick(report.Quality)
	prose.Texts = []Text{{Name: "prose.txt", Text: strings.Repeat("Quorum fixes jackdaw sphinx; vex my big waltz nymph. ", 20)}}
	r = judge(t, against(t, Directory("good", dense), dense), prose)
	expectFailure(t, r, "quality.reference", func(string) bool { return true })
}

func TestScoresNotSaved(t *testing.T) {
	needMLX(t)
	o := quick(report.Smoke)
	o.SaveScores = "no such folder/scores.safetensors"
	expectFailure(t, judge(t, Directory("good", dense), o), "scores.saved", func(string) bool { return true })
}

// Damage to the blobs of a stored model.
func TestBlobFaults(t *testing.T) {
	store, name := importInto(t, mixture, recipe.Recipe{Policy: recipe.KeepSource})
	target, err := Stored(store, name)
	if err != nil {
		t.Fatal(err)
	}
	var layer manifest.Layer
	for _, l := range target.Blobs {
		if strings.HasSuffix(l.Name, "layers.1.mlp.switch_mlp.down_proj.weight") {
			layer = l
		}
	}
	path := store.Blob(layer.Digest)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	flipped := slices.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	faults := []struct {
		name    string
		content []byte // nil: no file
		says    string
	}{
		{"undamaged", whole, ""},
		{"one bit flipped", flipped, "holds other bytes than it should"},
		{"truncated", whole[:len(whole)-100], fmt.Sprintf("has %d bytes", len(whole)-100)},
		{"missing", nil, "is missing"},
	}
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if f.content != nil {
				if err := os.WriteFile(path, f.content, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			t.Cleanup(func() {
				if err := os.WriteFile(path, whole, 0o644); err != nil {
					t.Fatal(err)
				}
			})
			r := judge(t, target, Options{Level: report.Blobs})
			c, _ := r.Check("blobs.digests")
			if r.Passed != (f.says == "") || !strings.Contains(c.Detail, f.says) {
				t.Errorf("passed %v: %s", r.Passed, c.Detail)
			}
			if f.says != "" && (c.Passed != report.Failed || !strings.Contains(c.Detail, layer.Name)) {
				t.Errorf("blobs.digests %s does not name the layer: %s", c.Passed, c.Detail)
			}
		})
	}
}

// Everything that is not JSON, or not there, is a finding of blobs.files.
func TestFileFaults(t *testing.T) {
	for name, damage := range map[string]func(checkpointCopy){
		"no tokenizer":     func(c checkpointCopy) { c.must(os.Remove(c.path("tokenizer.json"))) },
		"a file cut short": func(c checkpointCopy) { c.write("samples.json", []byte(`{"eos_token_id": 10`)) },
	} {
		t.Run(name, func(t *testing.T) {
			c := copyCheckpoint(t, dense)
			damage(c)
			r := judge(t, Directory("damaged", c.dir), Options{Level: report.Blobs})
			expectFailure(t, r, "blobs.files", func(string) bool { return true })
		})
	}
	c := copyCheckpoint(t, dense)
	c.write("generation_config.json", []byte(`{"eos_token_id": 10`)) // read when the model is opened
	r := judge(t, Directory("damaged", c.dir), Options{Level: report.Blobs})
	if check, _ := r.Check("blobs.tensors"); check.Passed != report.Failed || !strings.Contains(check.Detail, "generation_config.json") {
		t.Errorf("blobs.tensors %s: %s", check.Passed, check.Detail)
	}
}
