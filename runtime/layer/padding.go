package layer

import (
	"qimport/quant"
	"qimport/runtime/mlx"
)

// Padding says, for each sequence of a batch, how many positions lie before its first token, so that
// sequences of different lengths end side by side. Nil is none. What stands there changes nothing after
// it: no key of it is seen, positions are counted without it, and as the input of the convolution and of
// the delta rule it is zero, which leaves states zero. It must be finite, though: a token of the sequence
// itself is as good as the sequence.
type Padding []int

// any says whether there is some.
func (p Padding) any() bool {
	for _, n := range p {
		if n > 0 {
			return true
		}
	}
	return false
}

// pick is the padding of some of the sequences.
func (p Padding) pick(rows []int) Padding {
	if p == nil {
		return nil
	}
	picked := make(Padding, len(rows))
	for i, row := range rows {
		picked[i] = p[row]
	}
	return picked
}

// positions are those that place at is for each sequence, int32 [B]; of padding they are negative.
func (p Padding) positions(s *mlx.Scope, at int) *mlx.Array {
	of := make([]int, len(p))
	for row, n := range p {
		of[row] = at - n
	}
	return s.FromInt32(int32s(of), len(of))
}

// positionsOf is positions for b sequences, also where there is no padding.
func (p Padding) positionsOf(s *mlx.Scope, b, at int) *mlx.Array {
	if p == nil {
		p = make(Padding, b)
	}
	return p.positions(s, at)
}

// after says whether there is padding at place at, or later.
func (p Padding) after(at int) bool {
	for _, n := range p {
		if n > at {
			return true
		}
	}
	return false
}

// mask says which of at+t keys are seen by the queries of the last t places: those up to the query's
// own, without padding. (Padding sees itself: of nothing there is no mean.)
func (p Padding) mask(s *mlx.Scope, at, t int) mlx.Mask {
	if !p.any() {
		return mlx.Mask{Causal: t > 1}
	}
	places := func(from, to int, shape ...int) *mlx.Array {
		return s.Reshape(s.Arange(float64(from), float64(to), 1, quant.I32), shape...)
	}
	key, query := places(0, at+t, 1, 1, 1, at+t), places(at, at+t, 1, 1, t, 1)
	first := s.FromInt32(int32s(p), len(p), 1, 1, 1)
	from := s.Minimum(first, query)
	return mlx.Mask{Array: s.And(s.LessEqual(key, query), s.LessEqual(from, key))} // [B, 1, t, at+t]
}

// blank is x [B, T, ..], whose first place is at, with zeros for padding.
func (p Padding) blank(s *mlx.Scope, x *mlx.Array, at int) *mlx.Array {
	if !p.after(at) {
		return x
	}
	t := x.Shape()[1]
	place := s.Reshape(s.Arange(float64(at), float64(at+t), 1, quant.I32), 1, t, 1)
	token := s.LessEqual(s.FromInt32(int32s(p), len(p), 1, 1), place)
	return s.Where(token, x, s.ScalarLike(0, x))
}

func int32s(x []int) []int32 {
	y := make([]int32, len(x))
	for i, v := range x {
		y[i] = int32(v)
	}
	return y
}
