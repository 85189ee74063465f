package mlx

/*
#include "glue.h"
*/
import "C"

// MatMul multiplies matrices in the last two axes; the axes before are broadcast.
func (s *Scope) MatMul(a, b *Array) *Array {
	r := s.array()
	return r.ok("matmul", C.mlx_matmul(&r.handle, a.in(), b.in(), s.thread.stream))
}

// AddMM is beta*c + alpha*(a b).
func (s *Scope) AddMM(c, a, b *Array, alpha, beta float32) *Array {
	r := s.array()
	return r.ok("addmm", C.mlx_addmm(&r.handle, c.in(), a.in(), b.in(), C.float(alpha), C.float(beta), s.thread.stream))
}

// GatherMM multiplies matrices of a by matrices of b, each stacked along the axes before the last
// two and picked by lhs and rhs (uint32; nil takes them in order). sorted promises rising indices.
// The CPU has it for float32 only.
func (s *Scope) GatherMM(a, b, lhs, rhs *Array, sorted bool) *Array {
	r := s.array()
	return r.ok("gather_mm", C.mlx_gather_mm(&r.handle, a.in(), b.in(), optional(lhs), optional(rhs), C.bool(sorted), s.thread.stream))
}

// Conv1d convolves input [batch, length, channels] with weight [out, kernel, channels/groups].
func (s *Scope) Conv1d(input, weight *Array, stride, padding, dilation, groups int) *Array {
	r := s.array()
	return r.ok("conv1d", C.mlx_conv1d(&r.handle, input.in(), weight.in(),
		C.int(stride), C.int(padding), C.int(dilation), C.int(groups), s.thread.stream))
}
