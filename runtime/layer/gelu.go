package layer

import (
	"math"

	"qimport/runtime/mlx"
)

// GELU is x times the share of a normal distribution below it.
func GELU(s *mlx.Scope, x *mlx.Array) *mlx.Array {
	below := s.Erf(s.Mul(x, s.ScalarLike(1/math.Sqrt2, x)))
	return s.Mul(s.Mul(x, s.ScalarLike(0.5, x)), s.Add(below, s.ScalarLike(1, x)))
}

// GELUTanh is GELU by way of the hyperbolic tangent, as models are trained with it.
func GELUTanh(s *mlx.Scope, x *mlx.Array) *mlx.Array {
	cube := s.Mul(s.Square(x), x)
	inner := s.Mul(s.Add(x, s.Mul(cube, s.ScalarLike(0.044715, x))), s.ScalarLike(float32(math.Sqrt(2/math.Pi)), x))
	return s.Mul(s.Mul(x, s.ScalarLike(0.5, x)), s.Add(s.Tanh(inner), s.ScalarLike(1, x)))
}
