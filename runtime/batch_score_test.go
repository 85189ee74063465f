package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"qimport/quant"
	"qimport/runtime"
	"qimport/runtime/mlx"
	"qimport/runtime/runtimetest"
)

// someText is the text that the small models have a reference of. (Of random tokens they are so
// unsure that rounding shows more.)
func someText(t *testing.T) []int { return runtimetest.Read(t, "../testdata/qwen3.5-bf16").IDs }

// threeTexts are sequences of different length that one batch holds: over several slices, with
// padding over whole slices, and ends within a slice.
func threeTexts(t *testing.T) [][]int {
	ids := someText(t)
	return [][]int{ids[:130], ids[30:275], ids[240:481]}
}

// logProbs turns logits into log-probabilities.
func logProbs(logits []float32) []float32 {
	top, sum := float64(slices.Max(logits)), 0.0
	for _, l := range logits {
		sum += math.Exp(float64(l) - top)
	}
	row := make([]float32, len(logits))
	for i, l := range logits {
		row[i] = float32(float64(l) - top - math.Log(sum))
	}
	return row
}

// alone scores each sequence in a session of its own.
func alone(t *testing.T, m *runtime.Model, sequences [][]int) (rows [][][]float32, p runtime.Precision) {
	t.Helper()
	for _, ids := range sequences {
		x := m.NewSession()
		defer x.Close()
		var own [][]float32
		err := x.Score(t.Context(), ids, func(_ int, logits []float32) error {
			own = append(own, logProbs(logits))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		rows, p = append(rows, own), x.Precision()
	}
	return rows, p
}

// TestScoreBatch holds a batch to its sequences one by one, on what its rows and its arrays are: with
// the delta rule in memory of Go (float32), and in MLX's graph (bf16).
func TestScoreBatch(t *testing.T) {
	for _, tt := range []struct {
		name    string
		compute runtime.Compute
		limit   float64
	}{
		{"qwen3.5-bf16", runtime.F32, 1e-4},
		{"qwen3.5-bf16", runtime.BF16, 0.5}, // a slice of another length rounds otherwise
		{"qwen3.5-moe-4bit", runtime.F32, 1e-4},
		{"qwen3.5-moe-4bit", runtime.Quantized, 1e-4},
	} {
		t.Run(tt.name+"/"+tt.compute.String(), func(t *testing.T) {
			m := load(t, openDir(t, "../testdata/"+tt.name), runtime.Options{Compute: tt.compute, Device: mlx.CPU})
			sequences := threeTexts(t)
			want, precision := alone(t, m, sequences)
			live := mlx.LiveArrays()
			next, worst := make([]int, len(sequences)), 0.0
			p, err := m.ScoreBatch(t.Context(), sequences, func(i, pos int, logits []float32) error {
				if pos != next[i] {
					return fmt.Errorf("position %d of sequence %d came where %d was due", pos, i, next[i])
				}
				next[i]++
				worst = max(worst, furthest(logProbs(logits), want[i][pos]))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			for i, ids := range sequences {
				if next[i] != len(ids) {
					t.Errorf("sequence %d: %d of %d positions were scored", i, next[i], len(ids))
				}
			}
			if !(worst <= tt.limit) {
				t.Errorf("log-probabilities differ by up to %.2g from those of one sequence at a time", worst)
			}
			if p != precision || p.DeltaState != quant.F32 {
				t.Errorf("the arrays are %+v, one by one %+v", p, precision)
			}
			if n := mlx.LiveArrays() - live; n != 0 {
				t.Errorf("%d arrays are left", n)
			}
			t.Logf("off by up to %.2g", worst)
		})
	}
}

// TestScoreBatchOfOne: a single sequence is read exactly as a session reads it.
func TestScoreBatchOfOne(t *testing.T) {
	m := small(t, runtime.Options{})
	ids := someTokens(300)
	want, _ := alone(t, m, [][]int{ids})
	_, err := m.ScoreBatch(t.Context(), [][]int{ids}, func(_, pos int, logits []float32) error {
		if !slices.Equal(logProbs(logits), want[0][pos]) {
			return fmt.Errorf("position %d differs", pos)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestScoreBatchMany: more sequences than a batch holds, and of very different lengths, all come
// back whole.
func TestScoreBatchMany(t *testing.T) {
	m := small(t, runtime.Options{})
	ids := someText(t)
	var sequences [][]int
	for _, n := range []int{5, 300, 1, 40, 290, 33, 7, 64, 150, 1, 35} {
		sequences = append(sequences, ids[n:][:min(n, len(ids)-n)])
	}
	want, _ := alone(t, m, sequences)
	got := make([][][]float32, len(sequences))
	_, err := m.ScoreBatch(t.Context(), sequences, func(i, _ int, logits []float32) error {
		got[i] = append(got[i], logProbs(logits))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range sequences {
		if len(got[i]) != len(want[i]) {
			t.Errorf("sequence %d: %d of %d positions", i, len(got[i]), len(want[i]))
			continue
		}
		for pos := range got[i] {
			if off := furthest(got[i][pos], want[i][pos]); !(off <= 1e-4) {
				t.Errorf("sequence %d, position %d: off by %.2g", i, pos, off)
			}
		}
	}
}

func TestScoreBatchRefuses(t *testing.T) {
	m := small(t, runtime.Options{})
	good := []int{1, 2, 3}
	for _, tt := range []struct {
		name      string
		sequences [][]int
		want      string
	}{
		{"no sequence", nil, "no tokens to read"},
		{"an empty one", [][]int{good, {}}, "sequence 1: no tokens to read"},
		{"no such token", [][]int{{1, 1088}, good}, "sequence 0: token 1088 is outside the vocabulary of 1088"},
		{"too many", [][]int{good, make([]int, 4097)}, "sequence 1: context too long: 0 tokens are read and 4097 more were given"},
		{"one alone", [][]int{{-1}}, "token -1 is outside"},
	} {
		_, err := m.ScoreBatch(t.Context(), tt.sequences, func(int, int, []float32) error {
			t.Errorf("%s: something was scored", tt.name)
			return nil
		})
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
	_, err := m.ScoreBatch(t.Context(), [][]int{make([]int, 4097)}, nil)
	if !errors.Is(err, runtime.ErrContext) {
		t.Errorf("got %v", err)
	}
}

// TestScoreBatchEnds stops between slices, and where each says so; nothing is left of either.
func TestScoreBatchEnds(t *testing.T) {
	m := small(t, runtime.Options{})
	live := mlx.LiveArrays()
	ctx, cancel := context.WithCancel(t.Context())
	rows := 0
	p, err := m.ScoreBatch(ctx, threeTexts(t), func(int, int, []float32) error {
		rows++
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) || rows == 0 || rows > 256 || p.DeltaState != quant.F32 {
		t.Errorf("after %d rows in %+v: %v", rows, p, err)
	}
	enough := errors.New("enough")
	_, err = m.ScoreBatch(t.Context(), threeTexts(t), func(int, int, []float32) error { return enough })
	if !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
	if n := mlx.LiveArrays() - live; n != 0 {
		t.Errorf("%d arrays are left", n)
	}
}

// TestScoreBatchOnGPU is TestScoreBatch for the fused kernel and MLX's GPU operations.
func TestScoreBatchOnGPU(t *testing.T) {
	needGPU(t)
	m := load(t, openDir(t, "../testdata/qwen3.5-bf16"), runtime.Options{Compute: runtime.F32, Device: mlx.GPU})
	sequences := threeTexts(t)
	want, precision := alone(t, m, sequences)
	p, err := m.ScoreBatch(t.Context(), sequences, func(i, pos int, logits []float32) error {
		if off := furthest(logProbs(logits), want[i][pos]); !(off <= 1e-3) {
			t.Errorf("sequence %d, position %d: off by %.2g", i, pos, off)
		}
		return nil
	})
	if err != nil || p != precision {
		t.Errorf("the arrays are %+v, one by one %+v: %v", p, precision, err)
	}
}
