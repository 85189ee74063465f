package runtime_test

import (
	"slices"
	"testing"

	"qimport/runtime"
	"qimport/runtime/runtimetest"
)

// TestStepGreedy compares the token chosen where the model runs with the largest logit. (Auto runs
// on a GPU where there is one.)
func TestStepGreedy(t *testing.T) {
	const dir = "../testdata/qwen3.5-bf16"
	m := load(t, openDir(t, dir), runtime.Options{})
	logits, choice := m.NewSession(), m.NewSession()
	defer logits.Close()
	defer choice.Close()
	for _, id := range runtimetest.Read(t, dir).IDs[:20] {
		all, err := logits.Step(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{1, 100, len(all)} {
			x, err := choice.Fork(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got, err := x.StepGreedy(t.Context(), id, size)
			x.Close()
			if want := slices.Index(all, slices.Max(all[:size])); err != nil || got != want {
				t.Fatalf("after token %d, the likeliest of %d is %d, not %d: %v", id, size, want, got, err)
			}
		}
		if _, err := choice.Step(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkGreedy is generating tokens, each the likeliest after the one before.
func BenchmarkGreedy(b *testing.B) {
	m := benchModel(b)
	x := m.NewSession()
	defer x.Close()
	id, size := 200, m.Tokenizer.Size()
	if _, err := x.Feed(b.Context(), someTokens(64)); err != nil {
		b.Fatal(err)
	}
	if _, err := x.StepGreedy(b.Context(), id, size); err != nil { // what is compiled at the first use
		b.Fatal(err)
	}
	for b.Loop() {
		var err error
		if id, err = x.StepGreedy(b.Context(), id, size); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
}
