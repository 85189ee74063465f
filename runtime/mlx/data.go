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

// FromFloat32 copies data into an array of that shape; no shape makes a scalar of one value.
func (s *Scope) FromFloat32(data []float32, shape ...int) *Array {
	return s.fromData(unsafe.Pointer(unsafe.SliceData(data)), len(data)*4, quant.F32, shape)
}

// FromInt32 copies data into an array of that shape.
func (s *Scope) FromInt32(data []int32, shape ...int) *Array {
	return s.fromData(unsafe.Pointer(unsafe.SliceData(data)), len(data)*4, quant.I32, shape)
}

// FromBytes copies little-endian elements into an array of that shape.
func (s *Scope) FromBytes(data []byte, dtype quant.Dtype, shape ...int) *Array {
	return s.fromData(unsafe.Pointer(unsafe.SliceData(data)), len(data), dtype, shape)
}

func (s *Scope) fromData(data unsafe.Pointer, size int, dtype quant.Dtype, shape []int) *Array {
	if want := quant.Elements(shape) * dtype.Size(); want != size {
		panic(&Error{Op: "from_data", Text: fmt.Sprintf("%d bytes for shape %v of %s, which takes %d", size, shape, dtype, want)})
	}
	p, n := ints(shape)
	a := s.array()
	a.handle = C.mlx_array_new_data(data, p, C.int(n), toMLX(dtype))
	return a.ok("from_data", 0)
}

// Fill makes an array whose elements fill writes, little-endian, into the memory it is given,
// which is aligned to 8 bytes and gone when it returns. On the CPU that is the array's own memory:
// nothing is copied. fill may use other goroutines.
func (s *Scope) Fill(dtype quant.Dtype, shape []int, fill func(dst []byte) error) (*Array, error) {
	size := quant.Elements(shape) * dtype.Size()
	if s.Device() != CPU || size == 0 {
		words := make([]uint64, (size+7)/8)
		buf := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), size)
		if err := fill(buf); err != nil {
			return nil, err
		}
		return s.inDeviceMemory(s.FromBytes(buf, dtype, shape...))
	}
	a := s.Zeros(dtype, shape...)
	if err := s.Eval(a); err != nil {
		return nil, err
	}
	// Evaluated, the array is a leaf of the graph that nothing else refers to yet.
	if err := fill(unsafe.Slice((*byte)(C.qimport_array_bytes(a.handle)), size)); err != nil {
		return nil, err
	}
	return a, nil
}

// inDeviceMemory is an array of data from here in the memory of an NVIDIA GPU itself. As it comes it
// is in memory that moves between the two, page by page; what a GPU computes is not. a is freed.
func (s *Scope) inDeviceMemory(a *Array) (*Array, error) {
	if s.thread.info.Backend != "cuda" || a.Size() == 0 {
		return a, nil
	}
	moved := s.Mul(a, s.ScalarLike(1, a)) // a copy that MLX does not see through; a is kept from being reused by its handle
	err := s.Eval(moved)
	a.Free()
	return moved, err
}

// Scalar is a float32 scalar. As an operand of a bf16 or f16 array it makes the result float32;
// ScalarLike does not.
func (s *Scope) Scalar(v float32) *Array {
	a := s.array()
	a.handle = C.mlx_array_new_float32(C.float(v))
	return a.ok("scalar", 0)
}

// ScalarLike is a scalar of the same dtype as a.
func (s *Scope) ScalarLike(v float32, a *Array) *Array { return s.AsType(s.Scalar(v), a.Dtype()) }

// Zeros is an array of zeros.
func (s *Scope) Zeros(dtype quant.Dtype, shape ...int) *Array {
	p, n := ints(shape)
	r := s.array()
	return r.ok("zeros", C.mlx_zeros(&r.handle, p, n, toMLX(dtype), s.thread.stream))
}

// Full is an array of one value.
func (s *Scope) Full(v float32, dtype quant.Dtype, shape ...int) *Array {
	value := s.Scalar(v)
	p, n := ints(shape)
	r := s.array()
	return r.ok("full", C.mlx_full(&r.handle, p, n, value.in(), toMLX(dtype), s.thread.stream))
}

// Arange is start, start+step, ... below stop.
func (s *Scope) Arange(start, stop, step float64, dtype quant.Dtype) *Array {
	r := s.array()
	return r.ok("arange", C.mlx_arange(&r.handle, C.double(start), C.double(stop), C.double(step), toMLX(dtype), s.thread.stream))
}

// Float32s computes a and returns its elements as float32, row-major.
func (s *Scope) Float32s(a *Array) []float32 {
	out := make([]float32, a.Size())
	s.read(a, quant.F32, unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(out))), len(out)*4))
	return out
}

// Int32s computes a and returns its elements as int32, row-major.
func (s *Scope) Int32s(a *Array) []int32 {
	out := make([]int32, a.Size())
	s.read(a, quant.I32, unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(out))), len(out)*4))
	return out
}

// Bytes computes a and returns its elements as they are, row-major and little-endian.
func (s *Scope) Bytes(a *Array) []byte {
	out := make([]byte, a.NumBytes())
	s.read(a, a.Dtype(), out)
	return out
}

// Lend computes a and lends its elements as float32, row-major: on a CPU in the memory of MLX, without
// a copy. They are for reading, until the scope ends or a is freed.
func (s *Scope) Lend(a *Array) []float32 {
	if s.Device() != CPU || a.Size() == 0 {
		return s.Float32s(a)
	}
	return unsafe.Slice((*float32)(C.qimport_array_bytes(s.inRows(a, quant.F32).handle)), a.Size())
}

// read computes a, as dtype, and copies it into dst.
func (s *Scope) read(a *Array, dtype quant.Dtype, dst []byte) {
	if len(dst) == 0 {
		return
	}
	inner := &Scope{thread: s.thread, ctx: s.ctx}
	defer inner.end()
	copy(dst, unsafe.Slice((*byte)(C.qimport_array_bytes(inner.inRows(a, dtype).handle)), len(dst)))
}

// inRows is a, computed, as dtype and row by row in memory: a itself where it is that already. The
// context's error, or MLX's, is panicked.
func (s *Scope) inRows(a *Array, dtype quant.Dtype) *Array {
	if a.Dtype() == dtype && bool(C.qimport_array_ready(a.in())) {
		return a
	}
	rows := s.Contiguous(s.AsType(a, dtype))
	if err := s.Eval(rows); err != nil {
		Raise(err)
	}
	return rows
}
