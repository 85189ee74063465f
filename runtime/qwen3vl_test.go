package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"qimport/convert/source"
	"qimport/runtime/chat"
	"qimport/runtime/mlx"
)

// seenByTransformers is what oracle/qwen3vl.py keeps.
type seenByTransformers struct {
	Question  string
	PromptIDs []int `json:"prompt_ids"`
	Pictures  []struct {
		File      string
		Features  []float64
		Deepstack [][]float64
	}
	LogProbs []float64
	Last     []float64
}

// TestQwen3VL holds features, deepstack's and the log-probabilities of a prompt with two pictures to those
// of transformers, in every way to compute; in bf16 within a few of its roundings. The checkpoints, dense and
// with experts, are made by oracle/qwen3vl.py.
func TestQwen3VL(t *testing.T) {
	for _, name := range []string{"qwen3-vl", "qwen3-vl-moe"} {
		for _, tt := range []struct {
			compute          Compute
			features, scores float64 // how far they may be off
		}{{F32, 1e-3, 1e-4}, {Quantized, 1e-3, 1e-4}, {BF16, 0.05, 0.1}} {
			t.Run(name+" "+tt.compute.String(), func(t *testing.T) {
				checkQwen3VL(t, "../testdata/"+name, tt.compute, tt.features, tt.scores)
			})
		}
	}
}

func checkQwen3VL(t *testing.T, dir string, compute Compute, features, scores float64) {
	b, err := os.ReadFile(dir + ".reference.json")
	if err != nil {
		t.Fatal(err)
	}
	var want seenByTransformers
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	src, err := source.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	m, err := Load(t.Context(), src, Options{Compute: compute, Device: mlx.CPU})
	if errors.Is(err, mlx.ErrNoMLX) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	message := chat.Message{Role: "user", Content: want.Question}
	for _, p := range want.Pictures {
		b, err := os.ReadFile(filepath.Join(dir, p.File))
		if err != nil {
			t.Fatal(err)
		}
		message.Pictures = append(message.Pictures, b)
	}
	p, err := m.prompt(t.Context(), GenerateOptions{Messages: []chat.Message{message}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.ids, want.PromptIDs) {
		t.Fatalf("the prompt is %v, want %v", p.ids, want.PromptIDs)
	}
	if err := m.NewConversation().look(t.Context(), p.pictures); err != nil {
		t.Fatal(err)
	}
	checkSeen(t, p.pictures, want, features)
	checkScores(t.Context(), t, m, p.pictures, want, scores)
}

// checkSeen compares features.
func checkSeen(t *testing.T, pictures []placed, want seenByTransformers, limit float64) {
	t.Helper()
	for i, p := range pictures {
		w := want.Pictures[i]
		if len(p.deepstack) != len(w.Deepstack) || len(w.Deepstack) == 0 {
			t.Fatalf("%s: %d features of deepstack, want %d", w.File, len(p.deepstack), len(w.Deepstack))
		}
		worst := apart(p.merged, w.Features)
		for k := range w.Deepstack {
			worst = max(worst, apart(p.deepstack[k], w.Deepstack[k]))
		}
		if t.Logf("%s: features are off by up to %.2g", w.File, worst); !(worst <= limit) {
			t.Errorf("%s: features are off by up to %.3g, more than %g", w.File, worst, limit)
		}
	}
}

// checkScores compares log-probabilities: of every token of the prompt, read token by token, and of all that
// may follow the prompt, read as a whole.
func checkScores(ctx context.Context, t *testing.T, m *Model, pictures []placed, want seenByTransformers, limit float64) {
	t.Helper()
	single, whole := m.NewSession(), m.NewSession()
	defer single.Close()
	defer whole.Close()
	single.pictures, whole.pictures = pictures, pictures
	worst := 0.0
	for i, id := range want.PromptIDs {
		logits, err := single.Step(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if i < len(want.LogProbs) {
			got := float64(logits[want.PromptIDs[i+1]]) - logSum(logits)
			worst = max(worst, math.Abs(got-want.LogProbs[i]))
		}
	}
	logits, err := whole.Feed(ctx, want.PromptIDs)
	if err != nil {
		t.Fatal(err)
	}
	sum := logSum(logits) // of all rows: transformers has the padding too
	for id, w := range want.Last {
		worst = max(worst, math.Abs(float64(logits[id])-sum-w))
	}
	if t.Logf("log-probabilities are off by up to %.2g", worst); !(worst <= limit) {
		t.Errorf("log-probabilities are off by up to %.3g, more than %g", worst, limit)
	}
}

// apart is how far numbers lie from others at most; without end if they are not as many.
func apart(got []float32, want []float64) (worst float64) {
	if len(got) != len(want) || len(want) == 0 {
		return math.Inf(1)
	}
	for i, w := range want {
		worst = max(worst, math.Abs(float64(got[i])-w))
	}
	return worst
}

// logSum is the logarithm of the sum of exponentials.
func logSum(logits []float32) float64 {
	largest, sum := float64(slices.Max(logits)), 0.0
	for _, l := range logits {
		sum += math.Exp(float64(l) - largest)
	}
	return largest + math.Log(sum)
}
