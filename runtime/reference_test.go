package runtime_test

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"qimport/convert"
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

// deviation is how far a model's scores of the reference's text are from the reference.
type deviation struct {
	positions []float64 // for each position, the largest difference of a top-five log-probability
	nll       float64   // mean negative log-likelihood
}

func (d deviation) worst() float64 { return slices.Max(d.positions) }

// over counts the positions that are off by more than limit.
func (d deviation) over(limit float64) (n int) {
	for _, p := range d.positions {
		if !(p <= limit) {
			n++
		}
	}
	return n
}

func deviate(t *testing.T, m *runtime.Model, r reference) (d deviation) {
	t.Helper()
	x := m.NewSession()
	defer x.Close()
	err := x.Score(t.Context(), r.IDs, func(pos int, logits []float32) error {
		norm, worst := logSumExp(logits), 0.0
		for _, want := range r.Top5[pos] {
			worst = max(worst, math.Abs(float64(logits[int(want[0])])-norm-want[1]))
		}
		d.positions = append(d.positions, worst)
		if pos+1 < len(r.IDs) {
			d.nll -= (float64(logits[r.IDs[pos+1]]) - norm) / float64(len(r.IDs)-1)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func logSumExp(logits []float32) float64 {
	top := float64(slices.Max(logits))
	sum := 0.0
	for _, l := range logits {
		sum += math.Exp(float64(l) - top)
	}
	return top + math.Log(sum)
}

// checkAnswers asks the reference's first n questions, greedily.
func checkAnswers(t *testing.T, m *runtime.Model, r reference, n int) {
	t.Helper()
	think := false
	for _, a := range r.Answers[:n] {
		got, err := m.Generate(t.Context(), runtime.GenerateOptions{
			Messages:  []chat.Message{{Role: "user", Content: a.Question}},
			Chat:      chat.Options{EnableThinking: &think},
			MaxTokens: len(a.Tokens) + 1,
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Tokens, a.Tokens) || got.Text != a.Text || got.Stop != runtime.StopEOS {
			t.Errorf("%q: got %q %v %s, want %q %v", a.Question, got.Text, got.Tokens, got.Stop, a.Text, a.Tokens)
		}
	}
}

// openDir opens a checkpoint.
func openDir(t testing.TB, dir string) *convert.Source {
	t.Helper()
	w, err := convert.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

// load loads a model and demands, at the test's end, that nothing of it is left.
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

// TestReference runs the checkpoints of this repository in every way to compute. For bf16, whose
// roundings mlx-lm's own bf16 run shares in size, only a few answers and a rough limit are asked.
func TestReference(t *testing.T) {
	for _, tt := range []struct {
		name       string
		compute    runtime.Compute
		worst, nll float64
		answers    int
	}{
		{"qwen3.5-bf16", runtime.F32, 2e-3, 1e-4, 88},
		{"qwen3.5-bf16", runtime.BF16, 0.4, 1e-2, 5},
		{"qwen3.5-bf16", runtime.Quantized, 2e-3, 1e-4, 5},
		{"qwen3.5-moe-4bit", runtime.F32, 5e-3, 1e-4, 88},
		{"qwen3.5-moe-4bit", runtime.BF16, 2, 1e-2, 5},
		{"qwen3.5-moe-4bit", runtime.Quantized, 5e-3, 1e-4, 5},
	} {
		t.Run(tt.name+"/"+tt.compute.String(), func(t *testing.T) {
			r := readReference(t, "../testdata/"+tt.name+".reference.json")
			m := load(t, openDir(t, "../testdata/"+tt.name), runtime.Options{Compute: tt.compute, Device: mlx.CPU})
			d := deviate(t, m, r)
			if d.worst() > tt.worst || math.Abs(d.nll-r.MeanNLL) > tt.nll {
				t.Errorf("log-probabilities are off by up to %.2g, limit %g; mean NLL is %.6f, want %.6f",
					d.worst(), tt.worst, d.nll, r.MeanNLL)
			}
			checkAnswers(t, m, r, min(tt.answers, len(r.Answers)))
			t.Logf("off by up to %.2g, NLL by %.2g, %s", d.worst(), d.nll-r.MeanNLL, m.Placement)
		})
	}
}
