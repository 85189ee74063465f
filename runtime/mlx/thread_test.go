//go:build cgo

package mlx

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"qimport/quant"
)

// onThread runs f on a thread of the test's own and then expects no array to be left.
func onThread(t *testing.T, f func(*Scope) error) {
	t.Helper()
	th := start(t)
	if err := th.Do(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	noArraysLeft(t)
}

// start starts a thread for the CPU, or for the device that QIMPORT_TEST_DEVICE names.
func start(t testing.TB) *Thread {
	t.Helper()
	device := CPU
	if name := os.Getenv("QIMPORT_TEST_DEVICE"); name != "" {
		var err error
		if device, err = ParseDevice(name); err != nil {
			t.Fatal(err)
		}
	}
	th, err := Start(device)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(th.Close)
	return th
}

func noArraysLeft(t testing.TB) {
	t.Helper()
	if n := LiveArrays(); n != 0 {
		t.Fatalf("%d arrays were not freed", n)
	}
}

func TestInfoNamesVersionAndBLAS(t *testing.T) {
	info := start(t).Info()
	t.Logf("%+v", info)
	if info.Device != CPU || info.Backend != "cpu" || !strings.HasPrefix(info.Version, "0.") {
		t.Errorf("info %+v does not describe MLX on a CPU", info)
	}
}

func TestKeptArrayOutlivesItsScope(t *testing.T) {
	th := start(t)
	var kept, lost *Array
	err := th.Do(t.Context(), func(s *Scope) error {
		lost = s.FromFloat32([]float32{1, 2}, 2)
		kept = s.Keep(s.Add(lost, lost))
		return nil
	})
	if err != nil || LiveArrays() != 1 {
		t.Fatalf("after the scope: %v, %d arrays", err, LiveArrays())
	}
	err = th.Do(t.Context(), func(s *Scope) error {
		if got := s.Float32s(kept); got[0] != 2 || got[1] != 4 {
			t.Errorf("kept array is %v", got)
		}
		s.Add(kept, lost)
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "freed already") {
		t.Errorf("using a freed array: %v", err)
	}
	kept.Free()
	kept.Free()
	noArraysLeft(t)
}

func TestNestedScopeFreesAllButPromoted(t *testing.T) {
	onThread(t, func(s *Scope) error {
		var out *Array
		err := s.Nested(func(in *Scope) error {
			x := in.FromFloat32([]float32{3}, 1)
			out = in.Promote(in.Square(x))
			return nil
		})
		if n := LiveArrays(); n != 1 {
			t.Errorf("%d arrays after the nested scope, want 1", n)
		}
		if got := s.Float32s(out); got[0] != 9 {
			t.Errorf("promoted array is %v", got)
		}
		return err
	})
}

func TestErrorsComeBackFromDo(t *testing.T) {
	th := start(t)
	mine := errors.New("mine")
	tests := map[string]struct {
		f    func(*Scope) error
		want string
	}{
		"shapes": {func(s *Scope) error {
			s.Add(s.Zeros(quant.F32, 2, 3), s.Zeros(quant.F32, 4))
			return nil
		}, "mlx add: [broadcast_shapes] Shapes (2,3) and (4) cannot be broadcast."},
		"nested": {func(s *Scope) error {
			return s.Nested(func(in *Scope) error {
				in.MatMul(in.Zeros(quant.F32, 2, 3), in.Zeros(quant.F32, 2, 3))
				return nil
			})
		}, "mlx matmul: [matmul] Last dimension of first input with shape (2,3) must match second to last dimension of second input with shape (2,3)."},
		"only at eval": {func(s *Scope) error {
			x := s.Zeros(quant.BF16, 2, 1, 4)
			return s.Eval(s.GatherMM(x, s.Zeros(quant.BF16, 2, 4, 4), nil, s.Zeros(quant.U32, 2), false))
		}, "mlx eval: [GatherMM::eval] Currently only supports float32."},
		"size": {func(s *Scope) error {
			s.FromFloat32([]float32{1}, 2)
			return nil
		}, "mlx from_data: 4 bytes for shape [2] of F32, which takes 8"},
		"nil":        {func(s *Scope) error { s.Exp(nil); return nil }, "mlx input: the array is nil or was freed already; keep it to use it after its scope"},
		"dtype":      {func(s *Scope) error { s.Zeros(quant.F8E4M3, 1); return nil }, "mlx dtype: MLX has no dtype F8_E4M3"},
		"own error":  {func(*Scope) error { return mine }, "mine"},
		"own panic":  {func(*Scope) error { panic("boom") }, "panic on the MLX thread: boom"},
		"runtime":    {func(*Scope) error { var none []int; none[len(none)] = 1; return nil }, "panic on the MLX thread: runtime error: index out of range [0] with length 0"},
		"no trouble": {func(s *Scope) error { return s.Eval(s.Zeros(quant.F32)) }, ""},
	}
	for name, test := range tests {
		err := th.Do(t.Context(), test.f)
		if got := text(err); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
		noArraysLeft(t)
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestManyGoroutinesTakeTurns(t *testing.T) {
	th := start(t)
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			err := th.Do(t.Context(), func(s *Scope) error {
				x := s.Full(float32(i), quant.F32, 8)
				if got := s.Float32s(s.Sum(s.Square(x), 0, false))[0]; got != float32(8*i*i) {
					t.Errorf("goroutine %d: got %v", i, got)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	noArraysLeft(t)
}

func TestTwoThreadsAtOnce(t *testing.T) {
	var wg sync.WaitGroup
	for range 2 {
		th := start(t)
		for range 50 {
			wg.Go(func() {
				err := th.Do(t.Context(), func(s *Scope) error {
					x := s.Full(1, quant.F32, 64, 64)
					for range 10 {
						x = s.Div(s.MatMul(x, x), s.Scalar(64))
					}
					if got := s.Float32s(x)[5]; got != 1 {
						t.Errorf("got %v, want 1", got)
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	noArraysLeft(t)
}

func TestCancelledContext(t *testing.T) {
	th := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := th.Do(ctx, func(s *Scope) error {
		x := s.Full(1, quant.F32, 4)
		cancel()
		if err := s.Eval(x); !errors.Is(err, context.Canceled) {
			t.Errorf("eval after the cancel: %v", err)
		}
		s.Float32s(x)
		t.Error("values came from a cancelled scope")
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("do: %v", err)
	}
	if err := th.Do(ctx, func(*Scope) error { t.Error("ran"); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("do with a cancelled context: %v", err)
	}
	noArraysLeft(t)
}

func TestCloseIsFinal(t *testing.T) {
	th := start(t)
	th.Close()
	th.Close()
	if err := th.Do(t.Context(), func(*Scope) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("do after close: %v", err)
	}
}

// What testing.T.Fatal does must not leave Do waiting for ever.
func TestFunctionThatEndsItsGoroutine(t *testing.T) {
	th := start(t)
	err := th.Do(t.Context(), func(s *Scope) error {
		s.Zeros(quant.F32, 2)
		runtime.Goexit()
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "ended its goroutine") {
		t.Errorf("do: %v", err)
	}
	if err := th.Do(t.Context(), func(*Scope) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("do afterwards: %v", err)
	}
	noArraysLeft(t)
}

func TestGPUThatIsNotThere(t *testing.T) {
	start(t)
	th, err := Start(GPU)
	if err == nil {
		th.Close()
		t.Skip("this machine has a GPU")
	}
	if !strings.Contains(err.Error(), "--device cpu") {
		t.Errorf("the error does not say what to do: %v", err)
	}
}
