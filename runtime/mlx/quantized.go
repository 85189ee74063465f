package mlx

/*
#include "glue.h"
*/
import "C"

import (
	"unsafe"

	"qimport/quant"
)

// Quantized is a packed matrix [.., rows, in], or a stack of them, as MLX holds one.
type Quantized struct {
	Weight *Array // uint32 [.., rows, in*bits/32]
	Scales *Array // [.., rows, in/group]: uint8 for the fp modes, a float dtype for affine
	Biases *Array // like Scales; affine only, else nil
	Format quant.Format
}

// Free frees its arrays.
func (q Quantized) Free() {
	q.Weight.Free()
	q.Scales.Free()
	q.Biases.Free()
}

// packing is what MLX wants to be told of a format; free gives the mode's memory back.
func packing(f quant.Format) (group, bits C.mlx_optional_int, mode *C.char, free func()) {
	group = C.mlx_optional_int{value: C.int(f.GroupSize), has_value: true}
	bits = C.mlx_optional_int{value: C.int(f.Bits), has_value: true}
	mode = C.CString(f.Mode.String())
	return group, bits, mode, func() { C.free(unsafe.Pointer(mode)) }
}

// QuantizedMatMul is x times the packed matrix, transposed if it is stored [out, in].
func (s *Scope) QuantizedMatMul(x *Array, w Quantized, transpose bool) *Array {
	group, bits, mode, free := packing(w.Format)
	defer free()
	r := s.array()
	return r.ok("quantized_matmul", C.mlx_quantized_matmul(&r.handle, x.in(), w.Weight.in(), w.Scales.in(), optional(w.Biases),
		C.bool(transpose), group, bits, mode, s.thread.stream))
}

// GatherQMM is GatherMM with a packed stack on the right.
func (s *Scope) GatherQMM(x *Array, w Quantized, lhs, rhs *Array, transpose, sorted bool) *Array {
	group, bits, mode, free := packing(w.Format)
	defer free()
	r := s.array()
	return r.ok("gather_qmm", C.mlx_gather_qmm(&r.handle, x.in(), w.Weight.in(), w.Scales.in(), optional(w.Biases),
		optional(lhs), optional(rhs), C.bool(transpose), group, bits, mode, C.bool(sorted), s.thread.stream))
}

// Quantize packs a float matrix by MLX's rule for this device. Imports use package quant, whose
// bytes are the same everywhere.
func (s *Scope) Quantize(w *Array, f quant.Format) Quantized {
	group, bits, mode, free := packing(f)
	defer free()
	v := C.mlx_vector_array_new()
	rc := C.mlx_quantize(&v, w.in(), group, bits, mode, C.mlx_array{}, s.thread.stream)
	parts := s.unpack("quantize", rc, v)
	q := Quantized{Weight: parts[0], Scales: parts[1], Format: f}
	if len(parts) > 2 {
		q.Biases = parts[2]
	}
	return q
}

// Dequantize unpacks a matrix into elements of dtype.
func (s *Scope) Dequantize(q Quantized, dtype quant.Dtype) *Array {
	group, bits, mode, free := packing(q.Format)
	defer free()
	as := C.mlx_optional_dtype{value: toMLX(dtype), has_value: true}
	r := s.array()
	return r.ok("dequantize", C.mlx_dequantize(&r.handle, q.Weight.in(), q.Scales.in(), optional(q.Biases),
		group, bits, mode, C.mlx_array{}, as, s.thread.stream))
}
