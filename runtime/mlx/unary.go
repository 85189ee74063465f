package mlx

/*
#include "glue.h"
*/
import "C"

// Functions of each element.

// Abs is |a|.
func (s *Scope) Abs(a *Array) *Array {
	r := s.array()
	return r.ok("abs", C.mlx_abs(&r.handle, a.in(), s.thread.stream))
}

// Neg is -a.
func (s *Scope) Neg(a *Array) *Array {
	r := s.array()
	return r.ok("negative", C.mlx_negative(&r.handle, a.in(), s.thread.stream))
}

// Exp is e to the a.
func (s *Scope) Exp(a *Array) *Array {
	r := s.array()
	return r.ok("exp", C.mlx_exp(&r.handle, a.in(), s.thread.stream))
}

// Log is the natural logarithm of a.
func (s *Scope) Log(a *Array) *Array {
	r := s.array()
	return r.ok("log", C.mlx_log(&r.handle, a.in(), s.thread.stream))
}

// Log1p is log(1+a).
func (s *Scope) Log1p(a *Array) *Array {
	r := s.array()
	return r.ok("log1p", C.mlx_log1p(&r.handle, a.in(), s.thread.stream))
}

// Sigmoid is 1/(1+e^-a).
func (s *Scope) Sigmoid(a *Array) *Array {
	r := s.array()
	return r.ok("sigmoid", C.mlx_sigmoid(&r.handle, a.in(), s.thread.stream))
}

// Tanh is the hyperbolic tangent.
func (s *Scope) Tanh(a *Array) *Array {
	r := s.array()
	return r.ok("tanh", C.mlx_tanh(&r.handle, a.in(), s.thread.stream))
}

// Erf is the error function.
func (s *Scope) Erf(a *Array) *Array {
	r := s.array()
	return r.ok("erf", C.mlx_erf(&r.handle, a.in(), s.thread.stream))
}

// Square is a*a.
func (s *Scope) Square(a *Array) *Array {
	r := s.array()
	return r.ok("square", C.mlx_square(&r.handle, a.in(), s.thread.stream))
}

// Sqrt is the square root of a.
func (s *Scope) Sqrt(a *Array) *Array {
	r := s.array()
	return r.ok("sqrt", C.mlx_sqrt(&r.handle, a.in(), s.thread.stream))
}

// Rsqrt is 1/sqrt(a).
func (s *Scope) Rsqrt(a *Array) *Array {
	r := s.array()
	return r.ok("rsqrt", C.mlx_rsqrt(&r.handle, a.in(), s.thread.stream))
}

// Cos is the cosine.
func (s *Scope) Cos(a *Array) *Array {
	r := s.array()
	return r.ok("cos", C.mlx_cos(&r.handle, a.in(), s.thread.stream))
}

// Sin is the sine.
func (s *Scope) Sin(a *Array) *Array {
	r := s.array()
	return r.ok("sin", C.mlx_sin(&r.handle, a.in(), s.thread.stream))
}

// IsNaN is true where a is NaN.
func (s *Scope) IsNaN(a *Array) *Array {
	r := s.array()
	return r.ok("isnan", C.mlx_isnan(&r.handle, a.in(), s.thread.stream))
}

// IsFinite is true where a is neither infinite nor NaN.
func (s *Scope) IsFinite(a *Array) *Array {
	r := s.array()
	return r.ok("isfinite", C.mlx_isfinite(&r.handle, a.in(), s.thread.stream))
}

// Not is true where a is false or zero.
func (s *Scope) Not(a *Array) *Array {
	r := s.array()
	return r.ok("logical_not", C.mlx_logical_not(&r.handle, a.in(), s.thread.stream))
}
