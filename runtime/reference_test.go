package runtime_test

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"qimport/runtime"
	"qimport/runtime/chat"
	"qimport/runtime/mlx"
)

// reference is what mlx-lm says of a checkpoint; see the fixtures' README.
type reference struct {
	IDs     []int          `json:"ids"`
	MeanNLL float64        `json:"mean_nll"`
	Top5    [][][2]float64 `json:"top5"` // of the token after each position: id, log-probability
	Answers []struct {
		Question string `json:"q"`
		Text     string `json:"got"`
		Tokens   []int  `json:"tokens"`
	} `json:"answers"`
}

func readReference(t *testing.T, path string) reference {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var r reference
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// deviation scores the reference's text: the largest difference of a top-five log-probability, and
// the mean negative log-likelihood.
func deviation(t *testing.T, m *runtime.Model, r reference) (worst, nll float64) {
	t.Helper()
	x := m.NewSession()
	defer x.Close()
	err := x.Score(t.Context(), r.IDs, func(pos int, logits []float32) error {
		norm := logSumExp(logits)
		for _, want := range r.Top5[pos] {
			got := float64(logits[int(want[0])]) - norm
			worst = max(worst, math.Abs(got-want[1]))
		}
		if pos+1 < len(r.IDs) {
			nll -= float64(logits[r.IDs[pos+1]]) - norm
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return worst, nll / float64(len(r.IDs)-1)
}

func logSumExp(logits []float32) float64 {
	top := float64(slices.Max(logits))
	sum := 0.0
	for _, l := range logits {
		sum += math.Exp(float64(l) - top)
	}
	return top + math.Log(sum)
}

// wrongAnswers asks the reference's questions, greedily.
func wrongAnswers(t *testing.T, m *runtime.Model, r reference) (wrong int) {
	t.Helper()
	for _, a := range r.Answers {
		no := false
		got, err := m.Generate(t.Context(), runtime.GenerateOptions{
			Messages:  []chat.Message{{Role: "user", Content: a.Question}},
			Chat:      chat.Options{EnableThinking: &no},
			MaxTokens: max(len(a.Tokens), 1),
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Tokens, a.Tokens) {
			wrong++
			t.Logf("%q: got %q %v, want %q %v", a.Question, got.Text, got.Tokens, a.Text, a.Tokens)
		}
	}
	return wrong
}

func load(t testing.TB, w runtime.Weights, o runtime.Options) *runtime.Model {
	t.Helper()
	m, err := runtime.Load(t.Context(), w, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.Close()
		if n := mlx.LiveArrays(); n != 0 {
			t.Errorf("%d arrays are still alive", n)
		}
	})
	return m
}

func TestReference(t *testing.T) {
	for _, tt := range []struct {
		name       string
		compute    runtime.Compute
		worst, nll float64
	}{
		{"qwen3.5-bf16", runtime.F32, 2e-3, 1e-4},
		{"qwen3.5-moe-4bit", runtime.F32, 5e-3, 1e-3},
		{"qwen3.5-moe-4bit", runtime.Quantized, 5e-3, 1e-3},
	} {
		t.Run(tt.name+"/"+tt.compute.String(), func(t *testing.T) {
			r := readReference(t, "../testdata/"+tt.name+".reference.json")
			m := load(t, openMLX(t, "../testdata/"+tt.name), runtime.Options{Compute: tt.compute, Device: mlx.CPU})
			worst, nll := deviation(t, m, r)
			if worst > tt.worst || math.Abs(nll-r.MeanNLL) > tt.nll {
				t.Errorf("log-probabilities differ by up to %.2g, limit %g; mean NLL is %.6f, want %.6f", worst, tt.worst, nll, r.MeanNLL)
			}
			if wrong := wrongAnswers(t, m, r); wrong > 0 {
				t.Errorf("%d of %d answers differ", wrong, len(r.Answers))
			}
			t.Logf("worst %.2g, NLL off by %.2g, %s", worst, nll-r.MeanNLL, m.Placement)
		})
	}
}
