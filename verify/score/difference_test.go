package score

import (
	"math"
	"slices"
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
			got := LargestDifference(tt.a, tt.b)
			if math.IsNaN(got) != math.IsNaN(tt.want) || math.Abs(got-tt.want) > 0.01 {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
