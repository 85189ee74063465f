package runtimetest

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qimport/runtime"
	"qimport/runtime/chat"
)

// Reference is what mlx-lm says of a checkpoint, computed in float32; see the fixtures' README.
type Reference struct {
	IDs     []int          `json:"ids"`
	MeanNLL float64        `json:"mean_nll"`
	Top5    [][][2]float64 `json:"top5"` // of the token after each position: id, log-probability
	Answers []Answer       `json:"answers"`
}

// Answer is a greedy answer, without the token that ends it.
type Answer struct {
	Question string `json:"q"`
	Text     string `json:"got"`
	Tokens   []int  `json:"tokens"`
}

// Read reads the reference of the checkpoint dir, which lies beside it.
func Read(t testing.TB, dir string) Reference {
	t.Helper()
	dir = strings.Replace(filepath.Clean(dir), "-vlm", "", 1) // a vision tower changes nothing in a text
	b, err := os.ReadFile(dir + ".reference.json")
	if err != nil {
		t.Fatal(err)
	}
	var r Reference
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// Deviation is how far a model's scores of the reference's text are from the reference.
type Deviation struct {
	Positions []float64 // for each position, the largest difference of a top-five log-probability
	NLL       float64   // the model's mean negative log-likelihood of the text
}

// Worst is the largest difference at any position.
func (d Deviation) Worst() float64 { return slices.Max(d.Positions) }

// Over counts the positions that are off by more than limit, or are no numbers.
func (d Deviation) Over(limit float64) (n int) {
	for _, p := range d.Positions {
		if !(p <= limit) {
			n++
		}
	}
	return n
}

// Deviate lets the model read the reference's text.
func Deviate(t testing.TB, m *runtime.Model, r Reference) (d Deviation) {
	t.Helper()
	x := m.NewSession()
	defer x.Close()
	err := x.Score(t.Context(), r.IDs, func(pos int, logits []float32) error {
		norm, worst := logSumExp(logits), 0.0
		for _, want := range r.Top5[pos] {
			worst = max(worst, math.Abs(float64(logits[int(want[0])])-norm-want[1]))
		}
		d.Positions = append(d.Positions, worst)
		if pos+1 < len(r.IDs) {
			d.NLL -= (float64(logits[r.IDs[pos+1]]) - norm) / float64(len(r.IDs)-1)
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

// CheckAnswers asks the reference's first n questions, greedily, and demands the same tokens. It
// returns how many answers were the same.
func CheckAnswers(t testing.TB, m *runtime.Model, r Reference, n int) (same int) {
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
		if slices.Equal(got.Tokens, a.Tokens) && got.Text == a.Text && got.Stop == runtime.StopEOS {
			same++
			continue
		}
		t.Errorf("%q: got %q %v %s, want %q %v", a.Question, got.Text, got.Tokens, got.Stop, a.Text, a.Tokens)
	}
	return same
}
