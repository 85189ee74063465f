package converttest

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qimport/quant"
	"qimport/quant/recipe"
)

var update = flag.Bool("update", false, "write the printed plans to testdata")

// SourceDir is a checkpoint of the repository or of the fixtures; without these the test is skipped.
func SourceDir(t *testing.T, name string) string {
	t.Helper()
	if strings.HasPrefix(name, "../") {
		return name
	}
	fixtures := os.Getenv("QIMPORT_FIXTURES")
	if fixtures == "" {
		t.Skip("QIMPORT_FIXTURES names no folder of fixtures")
	}
	return filepath.Join(fixtures, name)
}

func RecipeOf(t *testing.T, text string) recipe.Recipe {
	t.Helper()
	words := strings.Fields(text)
	policy, err := recipe.ParsePolicy(words[0])
	if err != nil {
		t.Fatal(err)
	}
	r := recipe.Recipe{Policy: policy}
	if r.Type, err = quant.ParseFormat(words[1]); err != nil {
		t.Fatal(err)
	}
	for _, w := range words[2:] {
		rule, err := recipe.ParseOverride(w)
		if err != nil {
			t.Fatal(err)
		}
		r.Rules = append(r.Rules, rule)
	}
	return r
}

func Golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look at the change and run with -update\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}

// Checkpoints are the shipped checkpoints, those that the oracles' tools made and, where they are at
// hand, all fixtures.
func Checkpoints(t *testing.T) []string {
	t.Helper()
	dirs := []string{"../../testdata/qwen3.5-bf16", "../../testdata/qwen3.5-moe-4bit", "../../testdata/qwen3-vl-moe"}
	made, err := filepath.Glob("../source/testdata/producers/*/oracle.json")
	if err != nil || len(made) == 0 {
		t.Fatalf("no checkpoints of the oracles: %v", err)
	}
	for _, path := range made {
		dirs = append(dirs, WithTokenizer(t, filepath.Dir(path)))
	}
	if fixtures := os.Getenv("QIMPORT_FIXTURES"); fixtures != "" {
		found, err := filepath.Glob(filepath.Join(fixtures, "*", "config.json"))
		if err != nil || len(found) == 0 {
			t.Fatalf("no fixtures in %s: %v", fixtures, err)
		}
		for _, f := range found {
			dirs = append(dirs, filepath.Dir(f))
		}
	} else {
		t.Log("QIMPORT_FIXTURES is not set: only the shipped checkpoints are tested")
	}
	return dirs
}

// Worst is the relative error, root mean square, that encoding to a format may cost on weights.
func Worst(f quant.Format) float64 {
	switch {
	case f.Mode == quant.Plain && f.Dtype != quant.F32:
		return 0.004
	case f.Mode == quant.NVFP4, f.Mode == quant.MXFP4:
		return 0.16
	}
	return 0.04
}

func Decoded(t *testing.T, x quant.Tensor) []float32 {
	t.Helper()
	out := make([]float32, quant.Elements(x.Shape))
	if err := x.Decode(out, 0); err != nil {
		t.Fatal(err)
	}
	return out
}
