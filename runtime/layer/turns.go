package layer

import (
	"math"

	"qimport/quant"
	"qimport/runtime/mlx"
)

// Turns are rotary positions that are not counted one by one: for each of T tokens, the angle of each
// pair of dimensions.
type Turns struct {
	cos, sin *mlx.Array // [T, pairs], float32
	pairs    int
}

// NewTurns makes them of angles [T, pairs]; cosines and sines are multiplied by scale. They last as long
// as the scope.
func NewTurns(s *mlx.Scope, angles []float64, pairs int, scale float64) *Turns {
	cos, sin := make([]float32, len(angles)), make([]float32, len(angles))
	for i, a := range angles {
		y, x := math.Sincos(a)
		cos[i], sin[i] = float32(scale*x), float32(scale*y)
	}
	t := len(angles) / pairs
	return &Turns{cos: s.FromFloat32(cos, t, pairs), sin: s.FromFloat32(sin, t, pairs), pairs: pairs}
}

// Apply rotates x [.., T, D]: half-split pairs over its first columns, the rest passing through.
func (t *Turns) Apply(s *mlx.Scope, x *mlx.Array) *mlx.Array {
	parts := split(s, x, t.pairs, t.pairs)
	a, b := s.AsType(parts[0], quant.F32), s.AsType(parts[1], quant.F32)
	parts[0] = s.AsType(s.Sub(s.Mul(a, t.cos), s.Mul(b, t.sin)), x.Dtype())
	parts[1] = s.AsType(s.Add(s.Mul(b, t.cos), s.Mul(a, t.sin)), x.Dtype())
	return s.Concatenate(-1, parts...)
}

// Turns are those of positions that have a time, a row and a column. Pairs take them in turn, time first,
// as far as sections say how many pairs each has; the rest turn by time.
func (r *Rotary) Turns(s *mlx.Scope, positions [][3]int, sections [3]int) *Turns {
	periods, scale := r.rope.periods(), 1.0
	if r.rope.YaRN != nil {
		scale = float64(r.rope.YaRN.attention())
	}
	angles := make([]float64, 0, len(positions)*len(periods))
	for _, at := range positions {
		for pair, period := range periods {
			axis := pair % 3
			if pair >= 3*sections[axis] {
				axis = 0
			}
			angles = append(angles, float64(at[axis])/float64(period))
		}
	}
	return NewTurns(s, angles, len(periods), scale)
}
