package mlx

/*
#include "glue.h"
*/
import "C"

import "unsafe"

// RMSNorm is x / sqrt(mean(x^2) + eps) along the last axis, in float32 inside, times weight if
// there is one.
func (s *Scope) RMSNorm(x, weight *Array, eps float32) *Array {
	r := s.array()
	return r.ok("rms_norm", C.mlx_fast_rms_norm(&r.handle, x.in(), optional(weight), C.float(eps), s.thread.stream))
}

// LayerNorm is (x - mean) / sqrt(variance + eps) along the last axis, in float32 inside, times weight and
// plus bias.
func (s *Scope) LayerNorm(x, weight, bias *Array, eps float32) *Array {
	r := s.array()
	return r.ok("layer_norm", C.mlx_fast_layer_norm(&r.handle, x.in(), optional(weight), optional(bias), C.float(eps), s.thread.stream))
}

// RoPE rotates the first dims of the last axis of x [.., length, dim] by their position, from
// offset on. Halves are rotated against each other, or neighbours if traditional.
func (s *Scope) RoPE(x *Array, dims int, traditional bool, base, scale float32, offset int) *Array {
	b := C.mlx_optional_float{value: C.float(base), has_value: true}
	r := s.array()
	return r.ok("rope", C.mlx_fast_rope(&r.handle, x.in(), C.int(dims), C.bool(traditional), b, C.float(scale), C.int(offset), C.mlx_array{}, s.thread.stream))
}

// RoPEFreqs is RoPE with given wavelengths [dims/2] over 2 pi in place of a base.
func (s *Scope) RoPEFreqs(x, freqs *Array, dims int, traditional bool, scale float32, offset int) *Array {
	r := s.array()
	return r.ok("rope", C.mlx_fast_rope(&r.handle, x.in(), C.int(dims), C.bool(traditional), C.mlx_optional_float{}, C.float(scale), C.int(offset), freqs.in(), s.thread.stream))
}

// RoPEAt is RoPE for sequences x [B, heads, length, dim] that begin at different positions, offsets
// int32 [B]; with freqs [dims/2] as RoPEFreqs takes them in place of a base, or nil.
func (s *Scope) RoPEAt(x *Array, dims int, traditional bool, base, scale float32, offsets, freqs *Array) *Array {
	b := C.mlx_optional_float{value: C.float(base), has_value: C.bool(freqs == nil)}
	r := s.array()
	return r.ok("rope", C.mlx_fast_rope_dynamic(&r.handle, x.in(), C.int(dims), C.bool(traditional), b, C.float(scale), offsets.in(), optional(freqs), s.thread.stream))
}

// Mask says which keys a query sees.
type Mask struct {
	Causal bool   // those up to its own place, counted from the last key
	Array  *Array // true, or added to the scores; broadcast to [batch, heads, queries, keys]
}

// Attention is softmax(scale * q k^T + mask) v for q [batch, heads, queries, dim] and k, v
// [batch, kvHeads, keys, dim], in float32 inside. heads is a multiple of kvHeads.
func (s *Scope) Attention(q, k, v *Array, scale float32, mask Mask) *Array {
	name := ""
	switch {
	case mask.Array != nil:
		name = "array"
	case mask.Causal:
		name = "causal"
	}
	mode := C.CString(name)
	defer C.free(unsafe.Pointer(mode))
	r := s.array()
	return r.ok("scaled_dot_product_attention", C.mlx_fast_scaled_dot_product_attention(&r.handle, q.in(), k.in(), v.in(),
		C.float(scale), mode, optional(mask.Array), C.mlx_array{}, false, s.thread.stream))
}
