package runtime_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"qimport/quant"
	"qimport/runtime"
	"qimport/runtime/mlx"
)

func small(t *testing.T, o runtime.Options) *runtime.Model {
	t.Helper()
	o.Device = mlx.CPU
	return load(t, openDir(t, "../testdata/qwen3.5-bf16"), o)
}

func furthest(a, b []float32) float64 {
	worst := 0.0
	for i := range a {
		worst = max(worst, math.Abs(float64(a[i])-float64(b[i])))
	}
	return worst
}

// TestSessionForms reads the same tokens whole, in pieces, one by one, scored and from a fork: all
// end in the same logits.
func TestSessionForms(t *testing.T) {
	m := small(t, runtime.Options{})
	ids := someTokens(1100) // several slices
	x := m.NewSession()
	defer x.Close()
	want, err := x.Feed(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	for name, read := range map[string]func(*runtime.Session) ([]float32, error){
		"in pieces": func(x *runtime.Session) (logits []float32, err error) {
			for part := range slices.Chunk(ids, 333) {
				if logits, err = x.Feed(t.Context(), part); err != nil {
					break
				}
			}
			return logits, err
		},
		"the end one by one": func(x *runtime.Session) ([]float32, error) {
			logits, err := x.Feed(t.Context(), ids[:1000])
			for _, id := range ids[1000:] {
				if err == nil {
					logits, err = x.Step(t.Context(), id)
				}
			}
			return logits, err
		},
		"scored": func(x *runtime.Session) (last []float32, err error) {
			next := 0
			err = x.Score(t.Context(), ids, func(pos int, logits []float32) error {
				if pos != next {
					t.Errorf("position %d came where %d was due", pos, next)
				}
				next, last = pos+1, logits
				return nil
			})
			return last, err
		},
		"from a fork": func(x *runtime.Session) ([]float32, error) {
			if _, err := x.Feed(t.Context(), ids[:700]); err != nil {
				return nil, err
			}
			f, err := x.Fork(t.Context())
			if err != nil {
				return nil, err
			}
			defer f.Close()
			if _, err := x.Feed(t.Context(), someTokens(300)); err != nil { // goes another way
				return nil, err
			}
			return f.Feed(t.Context(), ids[700:])
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := m.NewSession()
			defer x.Close()
			got, err := read(x)
			if err != nil {
				t.Fatal(err)
			}
			if d := furthest(got, want); d > 1e-3 {
				t.Errorf("the last logits differ by up to %.2g", d)
			}
		})
	}
}

func TestSessionRefuses(t *testing.T) {
	m := small(t, runtime.Options{})
	x := m.NewSession()
	defer x.Close()
	for _, tt := range []struct {
		name string
		ids  []int
		want string
	}{
		{"nothing", nil, "no tokens"},
		{"no such token", []int{1, 1088}, "token 1088 is outside the vocabulary of 1088"},
		{"negative token", []int{-1}, "outside"},
		{"too many", make([]int, 4097), "0 tokens are read and 4097 more were given; the model has 4096 positions"},
	} {
		if _, err := x.Feed(t.Context(), tt.ids); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
	if _, err := x.Feed(t.Context(), make([]int, 4097)); !errors.Is(err, runtime.ErrContext) {
		t.Errorf("got %v", err)
	}
	if _, err := x.Feed(t.Context(), []int{1}); err != nil || x.Len() != 1 {
		t.Errorf("a refusal spoilt the session: %v", err)
	}
	x.Close()
	if _, err := x.Feed(t.Context(), []int{1}); err == nil {
		t.Error("a closed session read on")
	}
}

// TestCancelled stops between slices; what was read stays read.
func TestCancelled(t *testing.T) {
	m := small(t, runtime.Options{})
	x := m.NewSession()
	defer x.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ids := someTokens(3000)
	err := x.Score(ctx, ids, func(pos int, _ []float32) error {
		if pos == 10 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || x.Len() == 0 || x.Len() == len(ids) {
		t.Fatalf("after %d tokens: %v", x.Len(), err)
	}
	if _, err := x.Feed(t.Context(), ids[x.Len():]); err != nil {
		t.Errorf("it cannot go on: %v", err)
	}
	stop := errors.New("enough")
	if err := x.Score(t.Context(), []int{1, 2}, func(int, []float32) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

// TestPrecision reads what the arrays were made of, and what the ablation costs.
func TestPrecision(t *testing.T) {
	f, b := quant.F32, quant.BF16
	ids := someTokens(200)
	var exact []float32
	for _, tt := range []struct {
		o    runtime.Options
		want runtime.Precision
		off  [2]float64 // how far the logits are from those of float32
	}{
		{runtime.Options{Compute: runtime.F32}, runtime.Precision{DeltaState: f, Decay: f, ConvState: f, KV: f, Activations: f}, [2]float64{0, 0}},
		{runtime.Options{Compute: runtime.BF16}, runtime.Precision{DeltaState: f, Decay: f, ConvState: b, KV: b, Activations: b}, [2]float64{1e-3, 2}},
		{runtime.Options{Compute: runtime.F32, StateDtype: b}, runtime.Precision{DeltaState: b, Decay: f, ConvState: f, KV: f, Activations: f}, [2]float64{1e-4, 1}},
		{runtime.Options{Compute: runtime.F32, DecayDtype: b}, runtime.Precision{DeltaState: f, Decay: b, ConvState: f, KV: f, Activations: f}, [2]float64{1e-4, 1}},
	} {
		m := small(t, tt.o)
		x := m.NewSession()
		logits, err := x.Feed(t.Context(), ids[:150])
		for _, id := range ids[150:] {
			if err == nil {
				logits, err = x.Step(t.Context(), id)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := x.Precision(); got != tt.want {
			t.Errorf("%+v: got %+v, want %+v", tt.o, got, tt.want)
		}
		if exact == nil {
			exact = logits
		}
		if off := furthest(logits, exact); off < tt.off[0] || off > tt.off[1] {
			t.Errorf("%+v: logits are off by %.2g, expected %v", tt.o, off, tt.off)
		}
		x.Close()
	}
}
