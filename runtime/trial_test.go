package runtime_test

import (
	"maps"
	"math"
	"slices"
	"testing"

	"qimport/quant"
	"qimport/runtime"
	"qimport/runtime/mlx"
)

// changed is a checkpoint some of whose tensors are others.
type changed struct {
	runtime.Weights
	by map[string]quant.Tensor
}

func (w changed) Pieces(name string) ([]quant.Tensor, error) {
	if t, ok := w.by[name]; ok {
		return []quant.Tensor{t}, nil
	}
	return w.Weights.Pieces(name)
}

// TestTrial: other weights give what a model of them gives, wherever in the model they are, and leave nothing
// behind.
func TestTrial(t *testing.T) {
	const model = "language_model.model."
	for dir, names := range map[string][][]string{
		"../testdata/qwen3.5-bf16": {
			{model + "embed_tokens.weight"}, {model + "layers.0.linear_attn.in_proj_qkv.weight"}, {model + "layers.1.mlp.down_proj.weight", model + "layers.3.self_attn.k_proj.weight"},
		},
		"../testdata/qwen3.5-moe-4bit": {{model + "layers.2.mlp.switch_mlp.up_proj.weight"}, {model + "layers.0.mlp.gate.weight"}, {"language_model.lm_head.weight"}},
	} {
		src := openDir(t, dir)
		o := runtime.Options{Device: mlx.CPU, Compute: runtime.Quantized}
		m := load(t, src, o)
		// The first is read in a slice and a single token.
		sequences := [][]int{someTokens(257), someTokens(40), someTokens(40)[5:]}
		var before logitRows
		trial, err := m.NewTrial(t.Context(), sequences, before.take)
		if err != nil {
			t.Fatal(err)
		}
		for _, some := range names {
			changes := map[string]quant.Tensor{}
			for _, name := range some {
				if !trial.Has(name) {
					t.Fatalf("%s has no %s: %q", dir, name, src.Names())
				}
				changes[name] = turned(t, src, name)
			}
			var tried, made logitRows
			if err := trial.Try(t.Context(), change(changes), tried.take); err != nil {
				t.Fatal(err)
			}
			t.Run(some[0], func(t *testing.T) { // at whose end the other model is closed
				if _, err := load(t, changed{src, changes}, o).ScoreBatch(t.Context(), sequences, made.take); err != nil {
					t.Fatal(err)
				}
			})
			if apart := tried.apart(made); apart > 1e-3 || tried.apart(before) < 0.01 {
				t.Errorf("%s: %g from a model with these weights, %g from the one without", some, apart, tried.apart(before))
			}
		}
		var after logitRows
		if err := trial.Try(t.Context(), runtime.Change{}, after.take); err != nil || after.apart(before) != 0 {
			t.Errorf("%s: %v, the model is not what it was", dir, err)
		}
		other := quant.Tensor{Shape: []int{2, 2}, Format: quant.FormatF32, Data: make([]byte, 16)}
		if err := trial.Try(t.Context(), change(map[string]quant.Tensor{names[0][0]: other}), after.take); err == nil {
			t.Error("a tensor of another shape is taken")
		}
		if err := trial.Try(t.Context(), change(map[string]quant.Tensor{"layers.0.no": other}), after.take); err == nil {
			t.Error("a tensor that is not there is taken")
		}
		trial.Close()
	}
}

func change(by map[string]quant.Tensor) runtime.Change {
	return runtime.Change{
		Tensors: slices.Sorted(maps.Keys(by)),
		Make:    func(name string) (quant.Tensor, error) { return by[name], nil },
	}
}

// turned is a tensor with its rows in the opposite order, decoded.
func turned(t *testing.T, src interface {
	Load(string) (quant.Tensor, error)
}, name string) quant.Tensor {
	t.Helper()
	q, err := src.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	values := make([]float32, quant.Elements(q.Shape))
	if err := q.Decode(values, 0); err != nil {
		t.Fatal(err)
	}
	slices.Reverse(values)
	return quant.Tensor{Shape: q.Shape, Format: quant.FormatF32, Data: quant.Float32s(values).Data}
}

// logitRows gathers logits by sequence and position.
type logitRows map[[2]int][]float32

func (r *logitRows) take(sequence, position int, logits []float32) error {
	if *r == nil {
		*r = logitRows{}
	}
	(*r)[[2]int{sequence, position}] = slices.Clone(logits)
	return nil
}

// apart is the largest difference between the two; infinite where rows are missing.
func (r logitRows) apart(other logitRows) (worst float64) {
	if len(r) != len(other) || len(r) == 0 {
		return math.Inf(1)
	}
	for at, row := range r {
		for i, v := range row {
			worst = max(worst, math.Abs(float64(v-other[at][i])))
		}
	}
	return worst
}
