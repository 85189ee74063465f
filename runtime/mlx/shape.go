package mlx

/*
#include "glue.h"
*/
import "C"

import (
	"unsafe"

	"qimport/quant"
)

// Reshape gives a another shape of the same size; one dimension may be -1, which is worked out.
func (s *Scope) Reshape(a *Array, shape ...int) *Array {
	p, n := ints(shape)
	r := s.array()
	return r.ok("reshape", C.mlx_reshape(&r.handle, a.in(), p, n, s.thread.stream))
}

// Transpose orders the axes anew; without any, it reverses them.
func (s *Scope) Transpose(a *Array, axes ...int) *Array {
	r := s.array()
	if len(axes) == 0 {
		return r.ok("transpose", C.mlx_transpose(&r.handle, a.in(), s.thread.stream))
	}
	p, n := ints(axes)
	return r.ok("transpose", C.mlx_transpose_axes(&r.handle, a.in(), p, n, s.thread.stream))
}

// SwapAxes exchanges two axes.
func (s *Scope) SwapAxes(a *Array, x, y int) *Array {
	r := s.array()
	return r.ok("swapaxes", C.mlx_swapaxes(&r.handle, a.in(), C.int(x), C.int(y), s.thread.stream))
}

// ExpandDims adds axes of size 1 at these places of the result.
func (s *Scope) ExpandDims(a *Array, axes ...int) *Array {
	p, n := ints(axes)
	r := s.array()
	return r.ok("expand_dims", C.mlx_expand_dims_axes(&r.handle, a.in(), p, n, s.thread.stream))
}

// Squeeze removes these axes, which have size 1.
func (s *Scope) Squeeze(a *Array, axes ...int) *Array {
	p, n := ints(axes)
	r := s.array()
	return r.ok("squeeze", C.mlx_squeeze_axes(&r.handle, a.in(), p, n, s.thread.stream))
}

// Flatten joins the axes first to last, both included, into one.
func (s *Scope) Flatten(a *Array, first, last int) *Array {
	r := s.array()
	return r.ok("flatten", C.mlx_flatten(&r.handle, a.in(), C.int(first), C.int(last), s.thread.stream))
}

// BroadcastTo repeats a, without copying, to a shape that its own fits.
func (s *Scope) BroadcastTo(a *Array, shape ...int) *Array {
	p, n := ints(shape)
	r := s.array()
	return r.ok("broadcast_to", C.mlx_broadcast_to(&r.handle, a.in(), p, n, s.thread.stream))
}

// Repeat repeats each element along an axis: 1 2 becomes 1 1 2 2.
func (s *Scope) Repeat(a *Array, times, axis int) *Array {
	r := s.array()
	return r.ok("repeat", C.mlx_repeat_axis(&r.handle, a.in(), C.int(times), C.int(axis), s.thread.stream))
}

// Pad adds zeros before and after along one axis.
func (s *Scope) Pad(a *Array, axis, before, after int) *Array {
	zero := s.ScalarLike(0, a)
	mode := C.CString("constant")
	defer C.free(unsafe.Pointer(mode))
	x, lo, hi := C.int(axis), C.int(before), C.int(after)
	r := s.array()
	return r.ok("pad", C.mlx_pad(&r.handle, a.in(), &x, 1, &lo, 1, &hi, 1, zero.in(), mode, s.thread.stream))
}

// Contiguous is a laid out row-major in memory; it costs nothing if it is already.
func (s *Scope) Contiguous(a *Array) *Array {
	r := s.array()
	return r.ok("contiguous", C.mlx_contiguous(&r.handle, a.in(), false, s.thread.stream))
}

// Copy is a copy of a, in memory of its own.
func (s *Scope) Copy(a *Array) *Array {
	r := s.array()
	return r.ok("copy", C.mlx_copy(&r.handle, a.in(), s.thread.stream))
}

// AsType converts the elements. To the dtype it has, it costs nothing.
func (s *Scope) AsType(a *Array, dtype quant.Dtype) *Array {
	r := s.array()
	return r.ok("astype", C.mlx_astype(&r.handle, a.in(), toMLX(dtype), s.thread.stream))
}

// View reads the same bytes as elements of another dtype; the last dimension changes with its size.
func (s *Scope) View(a *Array, dtype quant.Dtype) *Array {
	r := s.array()
	return r.ok("view", C.mlx_view(&r.handle, a.in(), toMLX(dtype), s.thread.stream))
}

// Concatenate joins arrays along an axis that they have.
func (s *Scope) Concatenate(axis int, arrays ...*Array) *Array {
	v := vector(arrays)
	defer C.mlx_vector_array_free(v)
	r := s.array()
	return r.ok("concatenate", C.mlx_concatenate_axis(&r.handle, v, C.int(axis), s.thread.stream))
}

// Stack joins arrays of one shape along a new axis.
func (s *Scope) Stack(axis int, arrays ...*Array) *Array {
	v := vector(arrays)
	defer C.mlx_vector_array_free(v)
	r := s.array()
	return r.ok("stack", C.mlx_stack_axis(&r.handle, v, C.int(axis), s.thread.stream))
}

// Split cuts an axis into parts of equal size.
func (s *Scope) Split(a *Array, parts, axis int) []*Array {
	v := C.mlx_vector_array_new()
	rc := C.mlx_split(&v, a.in(), C.int(parts), C.int(axis), s.thread.stream)
	return s.unpack("split", rc, v)
}

// SplitAt cuts an axis before each of the indices.
func (s *Scope) SplitAt(a *Array, axis int, indices ...int) []*Array {
	p, n := ints(indices)
	v := C.mlx_vector_array_new()
	rc := C.mlx_split_sections(&v, a.in(), p, n, C.int(axis), s.thread.stream)
	return s.unpack("split", rc, v)
}
