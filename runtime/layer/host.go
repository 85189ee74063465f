package layer

import (
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"qimport/quant"
	"qimport/runtime/mlx"
)

// hostRows is the number of tokens from which the element-wise functions between matrix products are
// computed here rather than in MLX's graph: its CPU backend uses one core, and a call for every
// exponential.
const hostRows = 32

// onHost says whether that many tokens go through the functions of this file. They compute what
// the graphs beside them do, in float32, and round to the activations' dtype once.
func (c Compute) onHost(rows int) bool { return !c.GPU && rows >= hostRows }

// hostArray makes an array that fill writes.
func hostArray(s *mlx.Scope, fill func(dst []float32), shape ...int) *mlx.Array {
	a, err := s.Fill(quant.F32, shape, func(b []byte) error {
		fill(floats(b))
		return nil
	})
	if err != nil {
		mlx.Raise(err)
	}
	return a
}

// parallel calls f with ranges that make up [0, n), on all cores: a few for each, so that one that is
// held up leaves its work to the others.
func parallel(n int, f func(from, to int)) {
	var wait sync.WaitGroup
	var next atomic.Int64
	workers := runtime.GOMAXPROCS(0)
	parts := min(4*workers, n)
	for range min(workers, parts) {
		wait.Go(func() {
			for p := int(next.Add(1)) - 1; p < parts; p = int(next.Add(1)) - 1 {
				f(n*p/parts, n*(p+1)/parts)
			}
		})
	}
	wait.Wait()
}

// hostSwiGLU is silu(y[.., :n]) * y[.., n:] for y [.., 2n].
func hostSwiGLU(s *mlx.Scope, y *mlx.Array, n int) *mlx.Array {
	shape := y.Shape()
	shape[len(shape)-1] = n
	in := s.Lend(y)
	return hostArray(s, func(dst []float32) {
		parallel(len(dst)/n, func(from, to int) {
			for row := from; row < to; row++ {
				gate, up, out := in[2*row*n:][:n], in[(2*row+1)*n:][:n], dst[row*n:][:n]
				for i := range out {
					out[i] = silu32(gate[i]) * up[i]
				}
			}
		})
	}, shape...)
}

// silu32 is x / (1 + e^-x).
func silu32(x float32) float32 { return x / (1 + exp32(-x)) }

// exp32 is e^x to 2 units in the last place, for x cut to [-87, 88], where float32 has it.
func exp32(x float32) float32 {
	const (
		round = 3 << 22     // adding it leaves no bits for a fraction
		ln2Hi = 0.693359375 // of few bits, so that its multiples are exact
		ln2Lo = -2.12194440e-4
	)
	if x > 88 {
		x = 88
	} else if x < -87 {
		x = -87
	}
	z := x*math.Log2E + round
	n := z - round
	r := x - n*ln2Hi - n*ln2Lo // |r| <= ln(2)/2
	r2 := r * r
	p := 1 + r + r2*(0.5+r*(1.0/6)+r2*(1.0/24+r*(1.0/120)+r2*(1.0/720))) // fewer steps wait for each other than in Horner's form
	return p * math.Float32frombits(math.Float32bits(z)<<23+127<<23)
}
