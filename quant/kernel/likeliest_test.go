//go:build cgo && (amd64 || arm64) && !windows

package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestLikeliest holds the C function of every instruction set to the definition, over sizes around a share of a
// thread's work, with equals, and with what is not finite, within and behind the size.
func TestLikeliest(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, size := range []int{1, 15, 16, 1000, 1 << 14, 40001} {
		const rows = 3
		width := size + 7
		for name, spoil := range map[string]func(row []float32){
			"as they are":      func([]float32) {},
			"all equal":        func(row []float32) { clear(row) },
			"all small":        func(row []float32) { row[0] = -1e30; slices.Sort(row) },
			"equals far apart": func(row []float32) { row[size/3], row[size-1] = 50, 50 },
			"the last":         func(row []float32) { row[size-1] = 50 },
			"NaN":              func(row []float32) { row[size-1] = nan },
			"infinite":         func(row []float32) { row[0] = -inf },
			"behind":           func(row []float32) { row[size], row[size+1] = nan, 1e30 },
		} {
			logits := normal(rng, rows*width)
			spoil(logits[width:][:width]) // one of the rows
			want, got := make([]int32, rows), make([]int32, rows)
			Likeliest(want, logits, width, size)
			for _, set := range native() {
				if nativeLikeliest(got, logits, width, size, set.isa); !slices.Equal(got, want) {
					t.Errorf("%s, %s, %d: %v, want %v", set.Name, name, size, got, want)
				}
			}
		}
	}
}
