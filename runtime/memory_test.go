package runtime_test

import (
	"errors"
	"strings"
	"testing"

	"qimport/quant"
	"qimport/runtime"
	"qimport/runtime/layer"
	"qimport/runtime/mlx"
)

// unread is a checkpoint whose weights cannot be read, only what they are.
type unread struct{ runtime.Weights }

func (u unread) Load(name string) (quant.Tensor, error) {
	t, err := u.Weights.Load(name)
	t.Data, t.Scales, t.Biases = nil, nil, nil
	return t, err
}

// TestTooLarge refuses a model by its sizes alone, with the numbers.
func TestTooLarge(t *testing.T) {
	w := unread{openDir(t, "../testdata/qwen3.5-moe-4bit")}
	_, err := runtime.Load(t.Context(), w, runtime.Options{Device: mlx.CPU, Memory: 1e-7})
	if errors.Is(err, mlx.ErrNoMLX) {
		t.Skip(err)
	}
	if !errors.Is(err, runtime.ErrTooLarge) {
		t.Fatalf("got %v", err)
	}
	for _, words := range []string{"as f32", "as bf16 or", "as quantized", "--memory"} {
		if !strings.Contains(err.Error(), words) {
			t.Errorf("%q does not say %q", err, words)
		}
	}
	if n := mlx.LiveArrays(); n != 0 {
		t.Errorf("%d arrays are alive", n)
	}
}

// TestUnreadable fails while the arrays are filled, and leaves none of them.
func TestUnreadable(t *testing.T) {
	if _, err := runtime.Load(t.Context(), unread{openDir(t, "../testdata/qwen3.5-moe-4bit")}, runtime.Options{Device: mlx.CPU}); err == nil {
		t.Error("weights without bytes were loaded")
	}
	if n := mlx.LiveArrays(); n != 0 {
		t.Errorf("%d arrays are alive", n)
	}
}

// TestPlacement gives a model ever less memory: it takes less exact ways to compute.
func TestPlacement(t *testing.T) {
	w := openDir(t, "../testdata/qwen3.5-moe-4bit")
	share := 1.0
	for _, want := range []layer.Mode{layer.F32, layer.BF16, layer.Quantized} {
		m := load(t, w, runtime.Options{Device: mlx.CPU, Memory: share})
		p := m.Placement
		if p.Mode != want || p.WeightBytes > p.LimitBytes {
			t.Errorf("share %g: %s", share, p)
		}
		share = float64(p.WeightBytes-1) / float64(p.TotalBytes) // a byte too little for this
	}
}

func TestOptionsRefused(t *testing.T) {
	w := openDir(t, "../testdata/qwen3.5-bf16")
	for _, o := range []runtime.Options{{Memory: -1}, {Memory: 1.1}, {StateDtype: quant.F16}, {DecayDtype: quant.U8}} {
		if m, err := runtime.Load(t.Context(), w, o); err == nil {
			m.Close()
			t.Errorf("%+v was accepted", o)
		}
	}
}
