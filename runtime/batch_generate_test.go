package runtime_test

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qimport/quant"
	"qimport/runtime"
	"qimport/runtime/mlx"
	"qimport/runtime/runtimetest"
)

// TestGenerateBatch holds answers side by side to answers one by one: prompts of every length up to 40 and
// some over several slices, so that padding covers parts of slices, whole slices, and nothing.
func TestGenerateBatch(t *testing.T) {
	for _, tt := range []struct {
		name    string
		compute runtime.Compute
	}{
		{"qwen3.5-bf16", runtime.F32},
		{"qwen3.5-moe-4bit", runtime.F32},
		{"qwen3.5-moe-4bit", runtime.Quantized},
	} {
		t.Run(tt.name+"/"+tt.compute.String(), func(t *testing.T) {
			m := load(t, openDir(t, "../testdata/"+tt.name), runtime.Options{Compute: tt.compute, Device: mlx.CPU})
			ids := someText(t)
			var requests []runtime.GenerateOptions
			for n := 1; n <= 40; n++ {
				requests = append(requests, runtime.GenerateOptions{Tokens: ids[:n], MaxTokens: 1 + n%7})
			}
			for _, n := range []int{63, 64, 65, 90, 128, 129, 200, 257} {
				requests = append(requests, runtime.GenerateOptions{Tokens: ids[n/3:][:n], MaxTokens: 8})
			}
			live := mlx.LiveArrays()
			got := m.GenerateBatch(t.Context(), requests)
			if n := mlx.LiveArrays() - live; n != 0 {
				t.Errorf("%d arrays are left", n)
			}
			for i, o := range requests {
				want, err := m.Generate(t.Context(), o, nil)
				if err != nil {
					t.Fatal(err)
				}
				checkBatchAnswer(t, got[i], want)
			}
		})
	}
}

// checkBatchAnswer asks for the same tokens, text and end, in the same precision.
func checkBatchAnswer(t *testing.T, got runtime.BatchAnswer, want runtime.Answer) {
	t.Helper()
	if got.Err != nil || !slices.Equal(got.Tokens, want.Tokens) || got.Text != want.Text || got.Stop != want.Stop {
		t.Errorf("prompt of %d tokens: got %v %q (%s, %v), one by one %v %q (%s)", len(want.Prompt),
			got.Tokens, got.Text, got.Stop, got.Err, want.Tokens, want.Text, want.Stop)
	}
	if got.Precision != want.Precision || got.Decode.Tokens != want.Decode.Tokens || !slices.Equal(got.Prompt, want.Prompt) {
		t.Errorf("prompt of %d tokens: %d tokens in %+v, one by one %d in %+v", len(want.Prompt),
			got.Decode.Tokens, got.Precision, want.Decode.Tokens, want.Precision)
	}
}

// TestGenerateBatchFixtures: questions to every fixture, side by side, are answered as its reference has
// them, token by token. (TestFixtures asks all of them, one by one.)
func TestGenerateBatchFixtures(t *testing.T) {
	dir := runtimetest.Folder(t)
	if testing.Short() {
		t.Skip("all fixtures take minutes; TestGenerateBatch holds the repository's own")
	}
	for _, f := range runtimetest.Fixtures() {
		t.Run(f.Name, func(t *testing.T) {
			r := runtimetest.Read(t, filepath.Join(dir, f.Name))
			m := load(t, openDir(t, filepath.Join(dir, f.Name)), runtime.Options{Compute: runtime.F32, Device: mlx.CPU})
			var requests []runtime.GenerateOptions
			for _, a := range r.Answers[:12] {
				o := ask(a.Question)
				o.MaxTokens = len(a.Tokens) + 1
				requests = append(requests, o)
			}
			for i, got := range m.GenerateBatch(t.Context(), requests) {
				want := r.Answers[i]
				if got.Err != nil || !slices.Equal(got.Tokens, want.Tokens) || got.Text != want.Text || got.Stop != runtime.StopEOS {
					t.Errorf("%q: got %q (%s, %v), want %q", want.Question, got.Text, got.Stop, got.Err, want.Text)
				}
			}
		})
	}
}

// TestGenerateBatchEach: requests have bounds, stops and errors of their own.
func TestGenerateBatchEach(t *testing.T) {
	m := small(t, runtime.Options{})
	const question, answer = "What is 20+10?", "The result of 20 + 10 is 30."
	few, stopped, drawn := ask(question), ask(question), ask(question)
	few.MaxTokens, stopped.Stop, drawn.Sampling.Temperature = 3, []string{"10 is"}, 1
	got := m.GenerateBatch(t.Context(), []runtime.GenerateOptions{
		ask(question), few, stopped, drawn, {Tokens: make([]int, 4097)}, {Tokens: []int{-1}}, {}, {Tokens: make([]int, 4096)},
	})
	for i, want := range []struct {
		text string
		stop runtime.StopReason
		err  string
	}{
		{answer, runtime.StopEOS, ""},
		{"The result of", runtime.StopLength, ""},
		{"The result of 20 + ", runtime.StopText, ""},
		{"", "", "the likeliest tokens"},
		{"", "", "context too long"},
		{"", "", "outside the vocabulary"},
		{"", "", "neither messages nor a prompt"},
		{"", "", "the answer needs some"},
	} {
		a := got[i]
		said := ""
		if a.Err != nil {
			said = a.Err.Error()
		}
		if a.Text != want.text || a.Stop != want.stop || !strings.Contains(said, want.err) || (want.err == "") != (a.Err == nil) {
			t.Errorf("request %d: got %q (%s, %v), want %+v", i, a.Text, a.Stop, a.Err, want)
		}
	}
	if p := got[0].Precision; p.DeltaState != quant.F32 || p.Decay != quant.F32 {
		t.Errorf("the arrays are %+v", p)
	}
}

// brokenRow is a model in which one token is no number: whoever reads it, and nobody else, gets logits that
// are not finite.
type brokenRow struct {
	runtime.Weights
	token int
}

func (w brokenRow) Pieces(name string) ([]quant.Tensor, error) {
	pieces, err := w.Weights.Pieces(name)
	if err == nil && strings.HasSuffix(name, "embed_tokens.weight") {
		t := &pieces[0]
		t.Scales = slices.Clone(t.Scales)
		n := len(t.Scales) / t.Shape[0]
		for i := range n {
			t.Scales[w.token*n+i] = 0xff // bf16: NaN
		}
	}
	return pieces, err
}

// An answer that is given up ends there, the others go on, and each token's chance is what its logits say.
func TestGenerateBatchHopeless(t *testing.T) {
	m := small(t, runtime.Options{})
	ids := someText(t)
	const most = 3
	lost := func(sofar runtime.Answer) bool { return len(sofar.Tokens) == most }
	got := m.GenerateBatch(t.Context(), []runtime.GenerateOptions{{Tokens: ids[:20], MaxTokens: 9, Hopeless: lost}, {Tokens: ids[:17], MaxTokens: 9}})
	whole, err := m.Generate(t.Context(), runtime.GenerateOptions{Tokens: ids[:20], MaxTokens: 9}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a := got[0].Answer
	if got[0].Err != nil || a.Stop != runtime.StopHopeless || !slices.Equal(a.Tokens, whole.Tokens[:most]) || !strings.HasPrefix(whole.Text, a.Text) || a.Text == "" || len(a.Chances) != most {
		t.Errorf("given up: %+v, %v; whole %v", a, got[0].Err, whole.Tokens)
	}
	if got[1].Stop != runtime.StopLength {
		t.Errorf("the other ended by %s", got[1].Stop)
	}
	x := m.NewSession()
	defer x.Close()
	logits, err := x.Feed(t.Context(), ids[:20])
	for i, id := range a.Tokens {
		if err != nil {
			t.Fatal(err)
		}
		if want := logChance(logits[:m.Tokenizer.Size()], id); math.Abs(want-float64(a.Chances[i])) > 1e-4 {
			t.Errorf("token %d: %g, its logits say %g", i, a.Chances[i], want)
		}
		logits, err = x.Step(t.Context(), id)
	}
}

// logChance is the logarithm of the probability of a token.
func logChance(logits []float32, id int) float64 {
	sum := 0.0
	for _, l := range logits {
		sum += math.Exp(float64(l - logits[id]))
	}
	return -math.Log(sum)
}

func TestGenerateBatchNotFinite(t *testing.T) {
	const broken = 7
	m := load(t, brokenRow{openDir(t, "../testdata/qwen3.5-moe-4bit"), broken}, runtime.Options{Compute: runtime.F32, Device: mlx.CPU})
	ids := someText(t)
	if slices.Contains(ids[:80], broken) {
		t.Fatalf("the text holds token %d", broken)
	}
	got := m.GenerateBatch(t.Context(), []runtime.GenerateOptions{
		{Tokens: ids[:40], MaxTokens: 4}, {Tokens: append([]int{broken}, ids[:10]...), MaxTokens: 4}, {Tokens: ids[:33], MaxTokens: 4},
	})
	for i, a := range got {
		if errors.Is(a.Err, runtime.ErrNotFinite) != (i == 1) || (a.Err == nil) != (i != 1) {
			t.Errorf("request %d: %v", i, a.Err)
		}
	}
	if got[1].Stop != runtime.StopInterrupted {
		t.Errorf("the broken one ended by %s", got[1].Stop)
	}
}

func TestGenerateBatchEnds(t *testing.T) {
	m := small(t, runtime.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, a := range m.GenerateBatch(ctx, []runtime.GenerateOptions{{Tokens: []int{1, 2}}, {Tokens: []int{3}}}) {
		if !errors.Is(a.Err, context.Canceled) || a.Stop != runtime.StopInterrupted {
			t.Errorf("%s: %v", a.Stop, a.Err)
		}
	}
	if got := m.GenerateBatch(t.Context(), nil); len(got) != 0 {
		t.Errorf("answers to nothing: %v", got)
	}
}

// TestGenerateBatchOnGPU is TestGenerateBatch for the fused kernel and MLX's GPU operations.
func TestGenerateBatchOnGPU(t *testing.T) {
	needGPU(t)
	m := load(t, openDir(t, "../testdata/qwen3.5-bf16"), runtime.Options{Compute: runtime.F32, Device: mlx.GPU})
	ids := someText(t)
	var requests []runtime.GenerateOptions
	for _, n := range []int{1, 2, 3, 31, 33, 40, 64, 65, 130, 257} {
		requests = append(requests, runtime.GenerateOptions{Tokens: ids[:n], MaxTokens: 8})
	}
	for i, got := range m.GenerateBatch(t.Context(), requests) {
		want, err := m.Generate(t.Context(), requests[i], nil)
		if err != nil {
			t.Fatal(err)
		}
		checkBatchAnswer(t, got, want)
	}
}
