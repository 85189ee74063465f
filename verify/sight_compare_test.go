package verify

import (
	"math"
	"path/filepath"
	"testing"

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
