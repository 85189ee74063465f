package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qimport/convert/converttest"
	"qimport/quant"
	"qimport/runtime"
)

// maxOracle is how far a log-probability may be from what the producer's own weights give.
const maxOracle = 1e-4

// TestOracleModels imports the checkpoints of the producers' own tools, and holds what the imported model
// says to what transformers says, in float32, of the weights as the producer's library decodes them.
func TestOracleModels(t *testing.T) {
	if !haveMLX() {
		t.Skip("models cannot be run here")
	}
	found, err := filepath.Glob("../../convert/source/testdata/producers/*/oracle.json")
	if err != nil || len(found) == 0 {
		t.Fatalf("no oracles: %v", err)
	}
	for _, path := range found {
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			var want struct {
				IDs      []int       `json:"ids"`
				Logprobs [][]float64 `json:"logprobs"`
			}
			readOracle(t, path, &want)
			if len(want.IDs) == 0 || len(want.Logprobs) != len(want.IDs) {
				t.Fatal("it says nothing")
			}
			store := t.TempDir()
			var out, errs bytes.Buffer
			args := []string{"import", converttest.WithTokenizer(t, filepath.Dir(path)), "--store", store, "--name", "kept", "--verify", "none", "--quiet"}
			if status := run(t.Context(), args, stdio{in: strings.NewReader(""), out: &out, err: &errs}); status != exitDone {
				t.Fatalf("import exits with %d: %s", status, &errs)
			}
			m := loadMute(t, store, "kept")
			defer m.Close()
			if worst := worstOf(t, m, want.IDs, want.Logprobs); worst > maxOracle {
				t.Errorf("a log-probability is off by %g", worst)
			}
		})
	}
}

// worstOf is the largest difference of a log-probability.
func worstOf(t *testing.T, m *runtime.Model, ids []int, want [][]float64) float64 {
	t.Helper()
	x := m.NewSession()
	defer x.Close()
	worst := 0.0
	err := x.Score(t.Context(), ids, func(pos int, logits []float32) error {
		sum := 0.0
		for id := range want[pos] { // what follows are tokens that the model has not
			sum += math.Exp(float64(logits[id]))
		}
		for id, p := range want[pos] {
			worst = max(worst, math.Abs(float64(logits[id])-math.Log(sum)-p))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return worst
}

// speaking is a model with another one's tokenizer, and tokens enough for it, all zero: these have fewer than
// there are bytes, and nothing is said to them in words.
type speaking struct {
	runtime.Weights
	tokenizer []byte
}

const spoken = 1088

func (s speaking) File(name string) ([]byte, error) {
	if name == "tokenizer.json" {
		return s.tokenizer, nil
	}
	b, err := s.Weights.File(name)
	if err != nil || name != "config.json" {
		return b, err
	}
	var config map[string]any
	if err := json.Unmarshal(b, &config); err != nil {
		return nil, err
	}
	config["vocab_size"] = spoken
	return json.Marshal(config)
}

func (s speaking) Pieces(name string) ([]quant.Tensor, error) {
	all, err := s.Weights.Pieces(name)
	if err != nil || !strings.HasSuffix(name, "embed_tokens.weight") && !strings.HasSuffix(name, "lm_head.weight") {
		return all, err
	}
	shape := all[0].Shape
	values := make([]float32, spoken*shape[1])
	err = all[0].Decode(values[:quant.Elements(shape)], 0)
	return []quant.Tensor{{Shape: []int{spoken, shape[1]}, Format: quant.FormatF32, Data: quant.Float32s(values).Data}}, err
}

// loadMute loads a model of a store that has no real tokenizer, to be computed in float32.
func loadMute(t *testing.T, dir, named string) *runtime.Model {
	t.Helper()
	tokenizer, err := os.ReadFile("../../testdata/qwen3.5-bf16/tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	return loadThrough(t, dir, named, func(w runtime.Weights) runtime.Weights { return speaking{w, tokenizer} })
}

func readOracle(t *testing.T, path string, into any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}
