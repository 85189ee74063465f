package runtime_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"qimport/arch/files"
	"qimport/convert/source"
	"qimport/runtime"
	"qimport/runtime/runtimetest"
)

// withTokenizer is a checkpoint that has none of its own.
type withTokenizer struct {
	*source.Source
	tokenizer []byte
}

func (w withTokenizer) File(name string) ([]byte, error) {
	if name == files.Tokenizer {
		return w.tokenizer, nil
	}
	return w.Source.File(name)
}

// smallTokenizer is that of a checkpoint of this repository, cut to its bytes.
func smallTokenizer(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile("../testdata/qwen3.5-bf16/tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	var whole map[string]any
	if err := json.Unmarshal(b, &whole); err != nil {
		t.Fatal(err)
	}
	vocab := map[string]int{}
	model := whole["model"].(map[string]any)
	for token := range model["vocab"].(map[string]any) {
		if len([]rune(token)) == 1 { // a byte
			vocab[token] = len(vocab)
		}
	}
	model["vocab"], model["merges"] = vocab, []any{}
	whole["added_tokens"] = []any{map[string]any{"id": len(vocab), "content": "<|im_end|>", "special": true}}
	if b, err = json.Marshal(whole); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestOracle holds the log-probabilities of checkpoints that the real tools made to those of
// transformers, given the weights that the tools' own libraries decode.
func TestOracle(t *testing.T) {
	found, err := filepath.Glob("../convert/source/testdata/oracle/*/oracle.json")
	if err != nil || len(found) == 0 {
		t.Fatalf("there are no checkpoints of the oracles: %v", err)
	}
	tokenizer := smallTokenizer(t)
	for _, path := range found {
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			var want runtimetest.Reference
			b, err := os.ReadFile(path)
			if err == nil {
				err = json.Unmarshal(b, &want)
			}
			if err != nil || len(want.IDs) == 0 || len(want.Top5) != len(want.IDs) {
				t.Fatalf("%s: %v", path, err)
			}
			w := withTokenizer{openDir(t, filepath.Dir(path)), tokenizer}
			m := load(t, w, runtime.Options{Compute: runtime.F32})
			if worst := runtimetest.Deviate(t, m, want).Worst(); !(worst <= 1e-4) {
				t.Errorf("the log-probabilities differ by up to %g, at most 1e-4 expected", worst)
			}
		})
	}
}
