package verify

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestLargestDifference(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	sure := append([]float32{30, 5}, make([]float32, 30)...) // the likeliest token is all but certain
	moved := slices.Clone(sure)
	moved[1] += 0.5
	tail := make([]float32, 40)
	for i := range tail {
		tail[i] = float32(40 - i)
	}
	tailMoved := slices.Clone(tail)
	tailMoved[39] -= 3
	tests := []struct {
		name string
		a, b []float32
		want float64 // NaN: not comparable
	}{
		{"equal", []float32{1, 2, 3}, []float32{1, 2, 3}, 0},
		{"a constant apart", []float32{1, 2, 3}, []float32{4, 5, 6}, 0},
		{"one of two", []float32{0, 0}, []float32{0, 0.5}, math.Log(1+math.Exp(0.5)) - math.Ln2},
		{"beside a token that is certain", sure, moved, 0.5},
		{"below the likeliest twenty", tail, tailMoved, 0},
		{"NaN", []float32{0, nan}, []float32{0, 0}, math.NaN()},
		{"infinity", []float32{0, 0}, []float32{inf, 0}, math.NaN()},
		{"different vocabularies", []float32{0}, []float32{0, 0}, math.NaN()},
		{"nothing", nil, nil, math.NaN()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := largestDifference(tt.a, tt.b)
			if math.IsNaN(got) != math.IsNaN(tt.want) || math.Abs(got-tt.want) > 0.01 {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestPrefillLengths(t *testing.T) {
	got, note := prefillLengths(nil, 1000)
	if !slices.Equal(got, []int{1, 31, 33, 513}) || !strings.Contains(note, "2049") {
		t.Errorf("in a context of 1000: %v (%s)", got, note)
	}
	got, note = prefillLengths([]int{33, 1, 33}, 0)
	if !slices.Equal(got, []int{1, 33}) || note != "" {
		t.Errorf("asked for twice: %v (%s)", got, note)
	}
}

func TestSingleSteps(t *testing.T) {
	for weights, want := range map[int64]int{0: mostSteps, 22e6: mostSteps, 1e9: 100, 3e9: 33, 70e9: 1, 200e9: 0} {
		if got := singleSteps(weights); got != want {
			t.Errorf("of %d bytes: %d, want %d", weights, got, want)
		}
	}
}

func TestPrompt(t *testing.T) {
	if got := prompt([]int{1, 2, 3}, 7); !slices.Equal(got, []int{1, 2, 3, 1, 2, 3, 1}) {
		t.Errorf("got %v", got)
	}
}
