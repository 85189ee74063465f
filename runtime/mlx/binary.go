package mlx

/*
#include "glue.h"
*/
import "C"

// Element by element. Operands are broadcast to each other, and promoted to the wider dtype.

// Add is a+b.
func (s *Scope) Add(a, b *Array) *Array {
	r := s.array()
	return r.ok("add", C.mlx_add(&r.handle, a.in(), b.in(), s.thread.stream))
}

// Sub is a-b.
func (s *Scope) Sub(a, b *Array) *Array {
	r := s.array()
	return r.ok("subtract", C.mlx_subtract(&r.handle, a.in(), b.in(), s.thread.stream))
}

// Mul is a*b, element by element.
func (s *Scope) Mul(a, b *Array) *Array {
	r := s.array()
	return r.ok("multiply", C.mlx_multiply(&r.handle, a.in(), b.in(), s.thread.stream))
}

// Div is a/b.
func (s *Scope) Div(a, b *Array) *Array {
	r := s.array()
	return r.ok("divide", C.mlx_divide(&r.handle, a.in(), b.in(), s.thread.stream))
}

// Maximum is the larger of a and b.
func (s *Scope) Maximum(a, b *Array) *Array {
	r := s.array()
	return r.ok("maximum", C.mlx_maximum(&r.handle, a.in(), b.in(), s.thread.stream))
}

// Minimum is the smaller of a and b.
func (s *Scope) Minimum(a, b *Array) *Array {
	r := s.array()
	return r.ok("minimum", C.mlx_minimum(&r.handle, a.in(), b.in(), s.thread.stream))
}

// Power is a to the b.
func (s *Scope) Power(a, b *Array) *Array {
	r := s.array()
	return r.ok("power", C.mlx_power(&r.handle, a.in(), b.in(), s.thread.stream))
}

// LogAddExp is log(e^a + e^b).
func (s *Scope) LogAddExp(a, b *Array) *Array {
	r := s.array()
	return r.ok("logaddexp", C.mlx_logaddexp(&r.handle, a.in(), b.in(), s.thread.stream))
}

// Equal is true where a = b.
func (s *Scope) Equal(a, b *Array) *Array {
	r := s.array()
	return r.ok("equal", C.mlx_equal(&r.handle, a.in(), b.in(), s.thread.stream))
}

// Less is true where a < b.
func (s *Scope) Less(a, b *Array) *Array {
	r := s.array()
	return r.ok("less", C.mlx_less(&r.handle, a.in(), b.in(), s.thread.stream))
}

// LessEqual is true where a <= b.
func (s *Scope) LessEqual(a, b *Array) *Array {
	r := s.array()
	return r.ok("less_equal", C.mlx_less_equal(&r.handle, a.in(), b.in(), s.thread.stream))
}

// Greater is true where a > b.
func (s *Scope) Greater(a, b *Array) *Array {
	r := s.array()
	return r.ok("greater", C.mlx_greater(&r.handle, a.in(), b.in(), s.thread.stream))
}

// GreaterEqual is true where a >= b.
func (s *Scope) GreaterEqual(a, b *Array) *Array {
	r := s.array()
	return r.ok("greater_equal", C.mlx_greater_equal(&r.handle, a.in(), b.in(), s.thread.stream))
}

// And is true where both are.
func (s *Scope) And(a, b *Array) *Array {
	r := s.array()
	return r.ok("logical_and", C.mlx_logical_and(&r.handle, a.in(), b.in(), s.thread.stream))
}

// Where is a where cond is true and b elsewhere.
func (s *Scope) Where(cond, a, b *Array) *Array {
	r := s.array()
	return r.ok("where", C.mlx_where(&r.handle, cond.in(), a.in(), b.in(), s.thread.stream))
}
