//go:build cgo

package mlx

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"qimport/quant"
)

// TestFunction: a function gives what its graph gives, for several shapes and inputs; what it uses besides
// its inputs is part of it. On a GPU it is built once for each shape.
func TestFunction(t *testing.T) {
	th := start(t)
	defer th.Close()
	built := 0
	var weight *Array
	f := &Function{Build: func(s *Scope, in []*Array) []*Array {
		built++
		y := s.Add(s.Mul(in[0], weight), s.AsType(in[1], quant.F32))
		return []*Array{y, s.Sum(y, -1, false)}
	}}
	before := LiveArrays()
	err := th.Do(t.Context(), func(s *Scope) error {
		weight = s.FromFloat32([]float32{2}, 1)
		for i := range 6 {
			n := 2 + i%2
			x, y := make([]float32, n), make([]float32, n)
			want, sum := make([]float32, n), float32(0)
			for at := range n {
				x[at], y[at] = float32(i+at), float32(10*at)
				want[at] = 2*x[at] + y[at]
				sum += want[at]
			}
			out := s.replay(f, []*Array{s.FromFloat32(x, n), s.AsType(s.FromFloat32(y, n), quant.BF16)})
			if got, total := s.Float32s(out[0]), s.Float32s(out[1]); !slices.Equal(got, want) || total[0] != sum {
				t.Errorf("%d: got %v and %v, want %v and %v", i, got, total, want, sum)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if th.Info().Device == GPU && built != 2 {
		t.Errorf("built %d times for two shapes", built)
	}
	if n := LiveArrays(); n != before {
		t.Errorf("%d arrays are alive, %d were before", n, before)
	}
}

// TestFunctionErrors: what MLX refuses while a function is built, and what the function says itself, come
// out of Do, and the thread goes on.
func TestFunctionErrors(t *testing.T) {
	th := start(t)
	defer th.Close()
	own := errors.New("not today")
	misfit := &Function{Build: func(s *Scope, in []*Array) []*Array {
		return []*Array{s.Add(in[0], s.FromFloat32([]float32{1, 2}, 2))}
	}}
	refuse := &Function{Build: func(*Scope, []*Array) []*Array { Raise(own); return nil }}
	apply := func(f *Function, n int) error {
		return th.Do(t.Context(), func(s *Scope) error {
			return s.Eval(s.replay(f, []*Array{s.Zeros(quant.F32, n)})...)
		})
	}
	var refused *Error
	if err := apply(misfit, 3); !errors.As(err, &refused) || !strings.Contains(err.Error(), "broadcast") {
		t.Errorf("shapes that do not fit: %v", err)
	}
	if err := apply(misfit, 2); err != nil {
		t.Errorf("after that: %v", err)
	}
	if err := apply(refuse, 2); !errors.Is(err, own) {
		t.Errorf("an error of its own: %v", err)
	}
}
