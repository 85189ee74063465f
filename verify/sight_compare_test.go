package verify

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qimport/convert/source"
	"qimport/quant"
	"qimport/quant/recipe"
	"qimport/verify/report"
)

// TestSightOfAnImport: an import keeps its source's tower bit for bit, and what a text model in another format
// says after pictures is measured.
func TestSightOfAnImport(t *testing.T) {
	folder := fixtures(t)
	needMLX(t)
	for _, model := range []string{seeing, seeingMixture} {
		t.Run(model, func(t *testing.T) {
			dir := filepath.Join(folder, model)
			store, name := importInto(t, dir, recipe.Recipe{Policy: recipe.Ollama, Type: quant.FormatNVFP4})
			target, err := Stored(store, name)
			if err != nil {
				t.Fatal(err)
			}
			r := judge(t, against(t, target, dir), Options{Level: report.Quality, Lengths: []int{1}, Cases: seeingCases(), TextTokens: 64})
			if !r.Passed {
				t.Errorf("failed %v, not run %v", ended(r, report.Failed), ended(r, report.NotRun))
			}
			if c, _ := r.Check("quality.features"); c.Value == nil || *c.Value != 0 {
				t.Errorf("the same tower differs by %v", c.Value)
			}
			if c, _ := r.Check("quality.pictures"); c.Value == nil || !(*c.Value > roundingKL && *c.Value < 0.01) {
				t.Errorf("the text model in nvfp4 differs by %v nats", c.Value)
			}
			if n := len(r.Tower); n < 3 || r.Tower[n-1].After != "merger" || r.Tower[0].After != "block 0" {
				t.Errorf("the report has %+v", r.Tower)
			}
		})
	}
}

// packTower quantizes tensors of a tower whose names end so, in MLX's form.
func packTower(ends ...string) func(checkpointCopy) {
	return func(c checkpointCopy) {
		c.editTensors(func(arrays map[string]raw) {
			for name, a := range arrays {
				if !strings.Contains(name, "visual.") || !slices.ContainsFunc(ends, func(end string) bool { return strings.HasSuffix(name, end) }) {
					continue
				}
				a.editBF16(func(v []float32) {
					weight, scales, _ := quant.FormatMXFP8.PartSizes(len(v), quant.NoDtype)
					p := quant.Packed{Weight: make([]byte, weight), Scales: make([]byte, scales)}
					c.must(quant.Encode(quant.FormatMXFP8, p, quant.Float32s(v), quant.Options{}))
					rows := a.shape[0]
					arrays[name] = raw{quant.U32, []int{rows, weight / rows / 4}, p.Weight}
					arrays[strings.TrimSuffix(name, "weight")+"scales"] = raw{quant.U8, []int{rows, scales / rows}, p.Scales}
				})
			}
		})
		c.editJSON("config.json", func(v map[string]any) {
			v["quantization"] = map[string]any{"group_size": 32, "bits": 8, "mode": "mxfp8"}
		})
	}
}

// TestPackedTower: a tower whose linear maps are quantized runs, as in Ollama, and is held to what that costs;
// one with a packed table of positions is refused.
func TestPackedTower(t *testing.T) {
	dir := filepath.Join(fixtures(t), seeing)
	needMLX(t)
	c := copyCheckpoint(t, dir)
	packTower(".qkv.weight", ".attn.proj.weight", ".linear_fc1.weight", ".linear_fc2.weight")(c)
	r := judge(t, against(t, Directory("packed", c.dir), dir), Options{Level: report.Quality, Lengths: []int{1}, Cases: seeingCases(), TextTokens: 64})
	if !r.Passed {
		t.Errorf("failed %v, not run %v", ended(r, report.Failed), ended(r, report.NotRun))
	}
	if f, _ := r.Check("quality.features"); f.Value == nil || !(*f.Value > 1e-3 && *f.Value < 0.2) {
		t.Errorf("features differ by %v: %s", f.Value, f.Detail)
	} else {
		t.Logf("features differ by %.3g, at most %.3g", *f.Value, *f.Limit)
	}
	c = copyCheckpoint(t, dir)
	packTower("pos_embed.weight")(c)
	if _, err := source.OpenDir(c.dir); err == nil || !strings.Contains(err.Error(), "pos_embed.weight: it is quantized (mxfp8), and no runtime takes") {
		t.Errorf("a packed table of positions: %v", err)
	}
}

func TestNote(t *testing.T) {
	v := &sight{}
	v.note([][]float32{{3, 4}, {1}}, [][]float32{{3, 4}, {2}})
	v.note([][]float32{{3, 3}, {2}}, [][]float32{{3, 4}, {2}})
	near(t, "block 0", v.apart[0], 0.2, 1e-12)
	near(t, "merger", v.apart[1], 0.5, 1e-12)
	if v.after(0) != "block 0" || v.after(1) != "merger" {
		t.Errorf("named %s, %s", v.after(0), v.after(1))
	}
	v.note([][]float32{{3, 4}}, [][]float32{{3, 4}, {2}})
	if !math.IsNaN(v.apart[1]) {
		t.Errorf("towers of different depths are apart by %v", v.apart)
	}
}
