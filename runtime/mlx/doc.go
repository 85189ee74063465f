// Package mlx is MLX, as far as Qwen3.x models need it, over its C interface mlx-c 0.7. It is the
// only package that sees C.
//
// MLX keeps its streams per OS thread, so one Thread owns all work: Thread.Do runs a function on
// it and hands it a Scope. Operations are methods of the Scope; the arrays they return are freed
// when it ends, unless kept. Operations only build a graph: nothing is computed before Scope.Eval
// or a method that reads values.
//
//	err := thread.Do(ctx, func(s *mlx.Scope) error {
//		x := s.FromFloat32([]float32{1, 2, 3, 4}, 2, 2)
//		y = s.Keep(s.MatMul(x, s.Transpose(x)))
//		return s.Eval(y)
//	})
//	...
//	y.Free()
//
// An operation that MLX refuses (shapes that do not fit, a dtype that a backend lacks) panics with
// an *Error that holds MLX's own words; Do returns it as an error. Nothing panics outwards.
//
// Without cgo the package has the same surface and Start returns ErrNoMLX.
//
// It must not know models, tensor names or files.
package mlx

//go:generate go run ./stubgen
