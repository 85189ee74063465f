//go:build cgo

package mlx

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"qimport/quant"
)

// sizedKernel asks for sizes of both inputs, one of them twice.
var sizedKernel = &Kernel{
	Name: "sized", Inputs: []string{"x", "y"}, Outputs: []string{"a", "b"}, Ints: []string{"N"}, Types: []string{"T"},
	CUDA: KernelSource{Header: "// header: x_shape[3]\n", Body: "  f<N, T>(x, y_shape[2], x_shape[0], y_shape[2], max_shape, a, b);"},
}

func TestCUDASource(t *testing.T) {
	run := KernelRun{Outputs: []KernelOutput{{Dtype: quant.F32}, {Dtype: quant.U8}}, Ints: []int{7}, Types: []quant.Dtype{quant.BF16}}
	got, ok := strings.CutPrefix(sizedKernel.cudaSource(run, []quant.Dtype{quant.BF16, quant.I32}), cudaNumbers)
	const want = `// header: x_shape[3]

extern "C" __global__ void QIMPORT_FUNCTION(
    const qimport::bf16* x,
    const int32_t* y,
    float* a,
    uint8_t* b,
    int y_shape_2,
    int x_shape_0) {
  constexpr int N = 7;
  using T = qimport::bf16;
  f<N, T>(x, y_shape_2, x_shape_0, y_shape_2, max_shape, a, b);
}
`
	if got != want || !ok {
		t.Errorf("behind the numbers (%v) stands\n%swant\n%s", ok, got, want)
	}
	if sizes := sizedKernel.cudaSizes(); !slices.Equal(sizes, []inputSize{{1, 2}, {0, 0}}) {
		t.Errorf("the sizes are %v", sizes)
	}
}

// TestCUDASourceErrors: a dtype that CUDA has no name for here, and a size of what is no input.
func TestCUDASourceErrors(t *testing.T) {
	stranger := *sizedKernel
	stranger.CUDA.Body = "z_shape[0]"
	run := KernelRun{Outputs: []KernelOutput{{Dtype: quant.F32}, {Dtype: quant.U8}}, Ints: []int{7}, Types: []quant.Dtype{quant.BF16}}
	for want, f := range map[string]func(){
		"F64": func() { sizedKernel.cudaSource(run, []quant.Dtype{quant.F64, quant.I32}) },
		"z":   func() { stranger.cudaSizes() },
	} {
		func() {
			defer func() {
				err, _ := recover().(error)
				if e := (*Error)(nil); !errors.As(err, &e) || !strings.Contains(e.Text, want) {
					t.Errorf("the error is %v, want one of %s", err, want)
				}
			}()
			f()
		}()
	}
}

// TestCompileCUDA: NVRTC's code, and what it says of a source that is wrong. Where there is none, the error says so.
func TestCompileCUDA(t *testing.T) {
	run := KernelRun{Outputs: []KernelOutput{{Dtype: quant.BF16}}, Ints: []int{2}, Types: []quant.Dtype{quant.BF16}}
	inputs := []quant.Dtype{quant.F32, quant.F32}
	broken := *addScaled
	broken.CUDA.Body = "nonsense"
	code, err := addScaled.CompileCUDA("sm_90", run, inputs)
	_, brokenErr := broken.CompileCUDA("sm_90", run, inputs)
	if errors.Is(err, ErrNoNVRTC) {
		if !errors.Is(brokenErr, ErrNoNVRTC) || code != nil {
			t.Errorf("%d bytes of code; of another source %v", len(code), brokenErr)
		}
		t.Skip(err)
	}
	if err != nil || !strings.HasPrefix(string(code), "\x7fELF") || !strings.Contains(string(code), "qimport_add_scaled_") {
		t.Errorf("%d bytes of code, %v", len(code), err)
	}
	if brokenErr == nil || !strings.Contains(brokenErr.Error(), "add_scaled.cu") || !strings.Contains(brokenErr.Error(), "nonsense") {
		t.Errorf("the error is %v", brokenErr)
	}
}
