package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestLowRankVersions holds every version to the bytes of the definition, canaries included.
func TestLowRankVersions(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 1))
	random := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(rng.NormFloat64())
			if rng.IntN(20) == 0 {
				v[i] = specials[rng.IntN(len(specials))]
			}
		}
		return v
	}
	for _, rank := range []int{1, 2, 7, 16} {
		for _, cols := range []int{1, 5, 64, 511, 513, 1100} {
			for _, rows := range []int{0, 1, 3} {
				base, b, a := random(rows*cols), random(rows*rank), random(rank*cols)
				var want arena
				dst := want.values(len(base))
				copy(dst, base)
				Reference().AddLowRank(dst, b, a, rank)
				for _, s := range fast(t) {
					var got arena
					dst := got.values(len(base))
					copy(dst, base)
					s.AddLowRank(dst, b, a, rank)
					got.mustEqual(t, fmt.Sprintf("%s, %d rows, rank %d, %d columns", s.Name, rows, rank, cols), &want, false)
				}
			}
		}
	}
}

// TestLowRankSizes: what does not fit panics before native code sees it.
func TestLowRankSizes(t *testing.T) {
	for _, s := range Versions() {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s takes a matrix that is too small", s.Name)
				}
			}()
			s.AddLowRank(make([]float32, 7), make([]float32, 4), make([]float32, 8), 2)
		}()
	}
}

func BenchmarkLowRank(b *testing.B) {
	const rows, rank, cols = 128, 16, 4096
	dst, left, right := make([]float32, rows*cols), make([]float32, rows*rank), make([]float32, rank*cols)
	for _, s := range Versions() {
		b.Run(s.Name, func(b *testing.B) {
			b.SetBytes(rows * rank * cols) // a product a byte: MB/s are millions of products a second
			for b.Loop() {
				s.AddLowRank(dst, left, right, rank)
			}
		})
	}
}
