package verify

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qimport/quant"
	"qimport/quant/recipe"
	"qimport/verify/report"
)

// headOptions asks about a model with a head as cheaply as can be.
func headOptions() Options {
	o := quick(report.Quality)
	o.Cases = []Case{{Prompt: "What is the capital of France?", Expect: "Paris"}}
	return o
}

// editHead changes the arrays of the head whose names have that part, given as values and rows of that width.
func editHead(part string, edit func(values []float32, width int)) func(checkpointCopy) {
	return func(c checkpointCopy) {
		c.editTensors(func(arrays map[string]raw) {
			for name, a := range arrays {
				if strings.HasPrefix(name, "mtp.") && strings.Contains(name, part) {
					a.editBF16(func(v []float32) { edit(v, a.shape[len(a.shape)-1]) })
				}
			}
		})
	}
}

func addToHeadNorms(by float32) func(checkpointCopy) {
	return editHead("norm", func(v []float32, _ int) {
		for i := range v {
			v[i] += by
		}
	})
}

func swapInputHalves(v []float32, width int) {
	for row := range slices.Chunk(v, width) {
		copy(row, slices.Concat(row[width/2:], row[:width/2]))
	}
}

// otherBasis turns the head's inputs by seven places: as of another model, whose states and embedding
// mean something else at each.
func otherBasis(v []float32, width int) {
	for row := range slices.Chunk(v, width) {
		copy(row, slices.Concat(row[7:], row[:7]))
	}
}

func swapInputNorms(c checkpointCopy) {
	c.editTensors(func(arrays map[string]raw) {
		const embedding, hidden = "mtp.pre_fc_norm_embedding.weight", "mtp.pre_fc_norm_hidden.weight"
		arrays[embedding], arrays[hidden] = arrays[hidden], arrays[embedding]
	})
}

// narrowInput cuts the head's input map to the width of another model.
func narrowInput(c checkpointCopy) {
	c.editTensors(func(arrays map[string]raw) {
		a := arrays["mtp.fc.weight"]
		rows := a.shape[0] / 2
		arrays["mtp.fc.weight"] = raw{a.dtype, []int{rows, a.shape[1]}, a.data[:len(a.data)/2]}
	})
}

// otherTable gives the head an embedding of its own, of another vocabulary.
func otherTable(c checkpointCopy) {
	c.editTensors(func(arrays map[string]raw) {
		width := arrays["mtp.norm.weight"].shape[0]
		arrays["mtp.embed_tokens.weight"] = raw{quant.BF16, []int{500, width}, make([]byte, 2*500*width)}
	})
}

// headFaults are those of multi-token-prediction heads.
func headFaults() []fault {
	return []fault{
		{name: "norms of the head shifted twice", damage: addToHeadNorms(1), smoke: "smoke.mtp"},
		{name: "norms of the head less 1", damage: addToHeadNorms(-1), smoke: "smoke.mtp", quality: "quality.mtp"},
		{name: "halves of the head's input swapped", damage: editHead("fc.weight", swapInputHalves), smoke: "smoke.mtp", quality: "quality.mtp"},
		{name: "norms of the head's two inputs swapped", damage: swapInputNorms, quality: "quality.mtp"},
		{name: "head of another model", damage: editHead("fc.weight", otherBasis), smoke: "smoke.mtp", quality: "quality.mtp"},
		{name: "head of a model of another width", damage: narrowInput, smoke: "smoke.mtp"},
		{name: "head with a table of another vocabulary", damage: otherTable, smoke: "smoke.mtp"},
	}
}

// Every fault of a head is caught by the check that is meant to catch it, beside a dense body and one of
// experts; the good heads pass.
func TestHeadFaults(t *testing.T) {
	needMLX(t)
	models := []string{"tiny-qwen3.5-vl", "tiny-qwen3.5-vl-moe"}
	if testing.Short() {
		models = models[:1]
	}
	for _, model := range models {
		good := filepath.Join(fixtures(t), model)
		t.Run(model, func(t *testing.T) {
			r := judge(t, against(t, Directory("good", good), good), headOptions())
			if h := r.Head; !r.Passed || h == nil || h.Places != 510 || h.Right < 0.8 || h.Chance > 0.1 || h.TextRight <= h.Right ||
				h.SourceRight == nil || *h.SourceRight != h.Right || *h.Top1 != 1 {
				t.Fatalf("the head is good, yet failed %v: %+v", ended(r, report.Failed), h)
			}
			for _, f := range some(headFaults()) {
				t.Run(f.name, func(t *testing.T) {
					c := copyCheckpoint(t, good)
					f.damage(c)
					r := judge(t, against(t, Directory("damaged", c.dir), good), headOptions())
					expectHead(t, r, "smoke.mtp", f.smoke)
					expectHead(t, r, "quality.mtp", f.quality)
					if r.Passed {
						t.Error("nothing caught it")
					}
				})
			}
		})
	}
}

// expectHead asks that a check of the head failed if it is the one named, and else did not.
func expectHead(t *testing.T, r report.Report, check, named string) {
	t.Helper()
	c, _ := r.Check(check)
	t.Logf("%s: %s %s", check, c.Passed, c.Detail)
	if (c.Passed == report.Failed) != (named == check) {
		t.Errorf("%s: %s (%s)", check, c.Passed, c.Detail)
	}
}

// A quantized head is not its source's, and passes at the limits of its format.
func TestHeadQuantized(t *testing.T) {
	needMLX(t)
	good := filepath.Join(fixtures(t), "tiny-qwen3.5-vl")
	for _, f := range some([]quant.Format{quant.FormatNVFP4, quant.FormatInt8, quant.AffineFormat(3, 64)}) {
		t.Run(f.String(), func(t *testing.T) {
			store, name := importInto(t, good, recipe.Recipe{Policy: recipe.Ollama, Type: f})
			target, err := Stored(store, name)
			if err != nil {
				t.Fatal(err)
			}
			r := judge(t, against(t, target, good), headOptions())
			if !r.Passed || r.Head == nil || r.Head.MeanKL == nil || *r.Head.MeanKL < 1e-6 {
				t.Errorf("failed %v: %+v", ended(r, report.Failed), r.Head)
			}
		})
	}
}

// A model without a head is not asked about one, and a source without one not compared with.
func TestNoHead(t *testing.T) {
	needMLX(t)
	r := judge(t, against(t, Directory("good", dense), dense), quick(report.Quality))
	for _, check := range []string{"smoke.mtp", "quality.mtp"} {
		if _, asked := r.Check(check); asked {
			t.Errorf("%s was asked", check)
		}
	}
}
