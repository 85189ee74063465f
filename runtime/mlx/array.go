package mlx

/*
#include "glue.h"
*/
import "C"

import (
	"fmt"
	"unsafe"

	"qimport/quant"
)

// Array is a node of MLX's graph, computed or not. Its shape and dtype are known from the start.
// It is used on the thread that made it only; Free, once nobody uses it there, may be called from
// anywhere.
type Array struct {
	handle C.mlx_array
	scope  *Scope // that frees it; nil if it is kept
}

// array is a place for an operation's result, owned by the scope.
func (s *Scope) array() *Array {
	a := &Array{scope: s}
	s.arrays = append(s.arrays, a)
	return a
}

// ok ends an operation: it panics with MLX's error, if there was one.
func (a *Array) ok(op string, rc C.int) *Array {
	if rc != 0 || a.handle.ctx == nil {
		panic(lastError(op))
	}
	liveArrays.Add(1)
	return a
}

// in is the handle, as an operation's input.
func (a *Array) in() C.mlx_array {
	if a == nil || a.handle.ctx == nil {
		panic(&Error{Op: "input", Text: "the array is nil or was freed already; keep it to use it after its scope"})
	}
	return a.handle
}

// optional is the handle, as an input that may be left out by giving nil.
func optional(a *Array) C.mlx_array {
	if a == nil {
		return C.mlx_array{}
	}
	return a.in()
}

// Free frees the array; its memory goes when nothing depends on it. Freeing twice does nothing.
func (a *Array) Free() {
	if a == nil || a.handle.ctx == nil {
		return
	}
	C.mlx_array_free(a.handle)
	a.handle.ctx = nil
	liveArrays.Add(-1)
}

// Shape is the size of each dimension; empty for a scalar.
func (a *Array) Shape() []int {
	h := a.in()
	sizes := unsafe.Slice(C.mlx_array_shape(h), C.mlx_array_ndim(h))
	shape := make([]int, len(sizes))
	for i, n := range sizes {
		shape[i] = int(n)
	}
	return shape
}

// Dim is the size of one dimension; negative ones count from the last, which is -1.
func (a *Array) Dim(axis int) int {
	h := a.in()
	if n := int(C.mlx_array_ndim(h)); axis < -n || axis >= n {
		panic(&Error{Op: "dim", Text: fmt.Sprintf("axis %d of an array of %d dimensions", axis, n)})
	} else if axis < 0 {
		axis += n
	}
	return int(C.mlx_array_dim(h, C.int(axis)))
}

// Size is the number of elements.
func (a *Array) Size() int { return int(C.mlx_array_size(a.in())) }

// NumBytes is the memory its elements take.
func (a *Array) NumBytes() int { return int(C.mlx_array_nbytes(a.in())) }

// Dtype is the type of an element.
func (a *Array) Dtype() quant.Dtype { return fromMLX(C.mlx_array_dtype(a.in())) }

// dtypePairs maps our dtypes to MLX's. MLX has no 8-bit floats: those are bytes to it.
var dtypePairs = [...]struct {
	ours quant.Dtype
	mlx  C.mlx_dtype
}{
	{quant.Bool, C.MLX_BOOL}, {quant.U8, C.MLX_UINT8}, {quant.U16, C.MLX_UINT16},
	{quant.U32, C.MLX_UINT32}, {quant.U64, C.MLX_UINT64}, {quant.I8, C.MLX_INT8},
	{quant.I16, C.MLX_INT16}, {quant.I32, C.MLX_INT32}, {quant.I64, C.MLX_INT64},
	{quant.F16, C.MLX_FLOAT16}, {quant.BF16, C.MLX_BFLOAT16}, {quant.F32, C.MLX_FLOAT32},
	{quant.F64, C.MLX_FLOAT64}, {quant.C64, C.MLX_COMPLEX64},
}

func fromMLX(d C.mlx_dtype) quant.Dtype {
	for _, p := range dtypePairs {
		if p.mlx == d {
			return p.ours
		}
	}
	return quant.NoDtype
}

func toMLX(d quant.Dtype) C.mlx_dtype {
	for _, p := range dtypePairs {
		if p.ours == d {
			return p.mlx
		}
	}
	panic(&Error{Op: "dtype", Text: fmt.Sprintf("MLX has no dtype %s", d)})
}

// ints is a list of C ints and its length, as mlx-c takes shapes and axes.
func ints(list []int) (*C.int, C.size_t) {
	if len(list) == 0 {
		var none C.int
		return &none, 0
	}
	out := make([]C.int, len(list))
	for i, n := range list {
		out[i] = C.int(n)
	}
	return &out[0], C.size_t(len(out))
}
