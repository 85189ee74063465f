package runtime_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qimport/arch/files"
	"qimport/convert/source"
	"qimport/quant"
	"qimport/runtime"
	"qimport/runtime/runtimetest"
)

// whole is a checkpoint that has no tokenizer of its own, and too few tokens for one: with the
// tokenizer of another, and rows of zeros for its tokens.
type whole struct {
	*source.Source
	tokenizer []byte
	tokens    int // of the checkpoint
}

const wholeTokens = 288

func (w whole) File(name string) ([]byte, error) {
	if name == files.Tokenizer {
		return w.tokenizer, nil
	}
	b, err := w.Source.File(name)
	if name == files.Config {
		b = bytes.Replace(b, fmt.Appendf(nil, `"vocab_size": %d`, w.tokens), fmt.Appendf(nil, `"vocab_size": %d`, wholeTokens), 1)
	}
	return b, err
}

func (w whole) Pieces(name string) ([]quant.Tensor, error) {
	pieces, err := w.Source.Pieces(name)
	if err == nil && (strings.HasSuffix(name, "embed_tokens.weight") || name == "lm_head.weight") {
		x := &pieces[0]
		x.Data = append(bytes.Clone(x.Data), make([]byte, (wholeTokens-w.tokens)*x.Shape[1]*x.Format.Dtype.Size())...)
		x.Shape = []int{wholeTokens, x.Shape[1]}
	}
	return pieces, err
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
			src := openDir(t, filepath.Dir(path))
			tokens := src.Inventory().Config.VocabSize
			m := load(t, whole{src, tokenizer, tokens}, runtime.Options{Compute: runtime.F32})
			x := m.NewSession()
			defer x.Close()
			worst, seen := 0.0, 0
			err = x.Score(t.Context(), want.IDs, func(pos int, logits []float32) error {
				norm := 0.0
				seen++
				for _, l := range logits[:tokens] {
					norm += math.Exp(float64(l))
				}
				for _, p := range want.Top5[pos] {
					worst = max(worst, math.Abs(float64(logits[int(p[0])])-math.Log(norm)-p[1]))
				}
				return nil
			})
			if err != nil || seen != len(want.IDs) || !(worst <= 1e-4) {
				t.Errorf("the log-probabilities differ by up to %g, at most 1e-4 expected (%v)", worst, err)
			}
		})
	}
}
