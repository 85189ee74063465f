package model

import (
	"qimport/runtime/layer"
	"qimport/runtime/mlx"
)

// Sight is what pictures are to a slice of one sequence; zero where it has none and had none before.
type Sight struct {
	Shift int          // by how much positions are less than places
	Turns *layer.Turns // of every token of the slice, unless nil
	Spans []Span
}

// Span is a run of tokens of the slice in whose place a part of a picture stands.
type Span struct {
	At        int          // of its first token in the slice
	Merged    *mlx.Array   // [tokens, H]
	Deepstack []*mlx.Array // of the same shape, each added after one block
}

// prepare tells a cache the positions of the slice that it is to take next.
func (v Sight) prepare(c *layer.Cache) { c.Shift, c.Turns = v.Shift, v.Turns }

// embed is states [1, T, H] with the pictures in their places.
func (v Sight) embed(s *mlx.Scope, x *mlx.Array) *mlx.Array {
	for _, span := range v.Spans {
		x = span.put(s, x, span.Merged)
	}
	return x
}

// deepen adds what is to be added after a block.
func (v Sight) deepen(s *mlx.Scope, block int, x *mlx.Array) *mlx.Array {
	for _, span := range v.Spans {
		if block < len(span.Deepstack) {
			n := span.Deepstack[block].Dim(0)
			x = span.put(s, x, s.Add(s.SliceAxis(s.Reshape(x, x.Dim(1), x.Dim(2)), 0, span.At, span.At+n), s.AsType(span.Deepstack[block], x.Dtype())))
		}
	}
	return x
}

// put replaces the span's states by rows [tokens, H].
func (p Span) put(s *mlx.Scope, x, rows *mlx.Array) *mlx.Array {
	n, width := rows.Dim(0), rows.Dim(1)
	update := s.AsType(s.Reshape(rows, 1, n, width), x.Dtype())
	return s.SliceUpdate(x, update, []int{0, p.At, 0}, []int{1, p.At + n, width}, nil)
}
