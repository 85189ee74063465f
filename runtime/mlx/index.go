package mlx

/*
#include "glue.h"
*/
import "C"

import (
	"fmt"

	"qimport/quant"
)

// Slice is a[start:stop:strides], with one number for each axis. Negative starts and stops count
// from the end; nil strides are all 1.
func (s *Scope) Slice(a *Array, start, stop, strides []int) *Array {
	if strides == nil {
		strides = ones(len(start))
	}
	p, n := ints(start)
	q, m := ints(stop)
	t, k := ints(strides)
	r := s.array()
	return r.ok("slice", C.mlx_slice(&r.handle, a.in(), p, n, q, m, t, k, s.thread.stream))
}

// SliceAxis is a[start:stop] along one axis.
func (s *Scope) SliceAxis(a *Array, axis, start, stop int) *Array {
	from, to := make([]int, len(a.Shape())), a.Shape()
	if axis < 0 {
		axis += len(from)
	}
	if axis < 0 || axis >= len(from) {
		panic(&Error{Op: "slice", Text: fmt.Sprintf("axis %d of an array of %d dimensions", axis, len(from))})
	}
	from[axis], to[axis] = start, stop
	return s.Slice(a, from, to, nil)
}

// SliceUpdate is a with a[start:stop:strides] replaced by update. Where nothing else refers to a,
// MLX writes in place.
func (s *Scope) SliceUpdate(a, update *Array, start, stop, strides []int) *Array {
	if strides == nil {
		strides = ones(len(start))
	}
	p, n := ints(start)
	q, m := ints(stop)
	t, k := ints(strides)
	r := s.array()
	return r.ok("slice_update", C.mlx_slice_update(&r.handle, a.in(), update.in(), p, n, q, m, t, k, s.thread.stream))
}

func ones(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = 1
	}
	return out
}

// Take picks whole slices along an axis: for indices of shape [i..] the axis becomes [i..]. With
// axis 0 of a matrix it gathers rows. MLX does not check the indices.
func (s *Scope) Take(a, indices *Array, axis int) *Array {
	r := s.array()
	return r.ok("take", C.mlx_take_axis(&r.handle, a.in(), indices.in(), C.int(axis), s.thread.stream))
}

// TakeAlongAxis picks single elements along an axis: indices have a's shape but for that axis.
func (s *Scope) TakeAlongAxis(a, indices *Array, axis int) *Array {
	r := s.array()
	return r.ok("take_along_axis", C.mlx_take_along_axis(&r.handle, a.in(), indices.in(), C.int(axis), s.thread.stream))
}

// PutAlongAxis is a with the elements that TakeAlongAxis would pick replaced by values.
func (s *Scope) PutAlongAxis(a, indices, values *Array, axis int) *Array {
	r := s.array()
	return r.ok("put_along_axis", C.mlx_put_along_axis(&r.handle, a.in(), indices.in(), values.in(), C.int(axis), s.thread.stream))
}

// ScatterAddAxis is a with values added to the elements that TakeAlongAxis would pick.
func (s *Scope) ScatterAddAxis(a, indices, values *Array, axis int) *Array {
	r := s.array()
	return r.ok("scatter_add_axis", C.mlx_scatter_add_axis(&r.handle, a.in(), indices.in(), values.in(), C.int(axis), s.thread.stream))
}

// Tril is the last two axes' part on and below the kth diagonal, zero elsewhere.
func (s *Scope) Tril(a *Array, k int) *Array {
	r := s.array()
	return r.ok("tril", C.mlx_tril(&r.handle, a.in(), C.int(k), s.thread.stream))
}

// Triu is the last two axes' part on and above the kth diagonal, zero elsewhere.
func (s *Scope) Triu(a *Array, k int) *Array {
	r := s.array()
	return r.ok("triu", C.mlx_triu(&r.handle, a.in(), C.int(k), s.thread.stream))
}

// Eye is the n by n matrix with ones on its diagonal.
func (s *Scope) Eye(n int, dtype quant.Dtype) *Array {
	r := s.array()
	return r.ok("eye", C.mlx_eye(&r.handle, C.int(n), C.int(n), 0, toMLX(dtype), s.thread.stream))
}
