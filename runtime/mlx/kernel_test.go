//go:build cgo

package mlx

import (
	"errors"
	"testing"

	"qimport/quant"
)

// addScaled is x + SCALE * y, converted to OUT.
var addScaled = &Kernel{
	Name: "add_scaled", Inputs: []string{"x", "y"}, Outputs: []string{"sum"}, Ints: []string{"SCALE"}, Types: []string{"OUT"},
	CUDA: KernelSource{
		Header: "__device__ inline float scaled(float y, int scale) { return y * scale; }\n",
		Body: `
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < x_shape[0]) {
    sum[i] = static_cast<OUT>(float(x[i]) + scaled(float(y[i]), SCALE));
  }`},
	Metal: KernelSource{
		Header: "inline float scaled(float y, int scale) { return y * scale; }\n",
		Body: `
  uint i = thread_position_in_grid.x;
  if (int(i) < x_shape[0]) {
    sum[i] = static_cast<OUT>(float(x[i]) + scaled(float(y[i]), SCALE));
  }`},
}

func (k *Kernel) addScaled(s *Scope, x, y *Array, scale int) *Array {
	n := x.Size()
	return s.Run(k, KernelRun{
		Inputs: []*Array{x, y}, Outputs: []KernelOutput{{Dtype: quant.BF16, Shape: []int{n}}},
		Ints: []int{scale}, Types: []quant.Dtype{quant.BF16},
		Threads: [3]int{(n + 31) / 32 * 32, 1, 1}, Group: [3]int{32, 1, 1},
	})[0]
}

func TestKernelOnGPU(t *testing.T) {
	th, err := Start(GPU)
	if err != nil {
		t.Skip(err)
	}
	defer th.Close()
	err = th.Do(t.Context(), func(s *Scope) error {
		const n = 100
		x, y := ramp(2*n), normal(n)
		// Every second element: the kernel is given a copy without the gaps.
		sparse := s.Reshape(s.SliceAxis(s.Reshape(s.FromFloat32(x, 2*n), n, 2), 1, 0, 1), n)
		for _, scale := range []int{2, 3} { // compiled for each
			want := make([]float32, n)
			for i := range want {
				want[i] = x[2*i] + float32(scale)*y[i]
			}
			sum := addScaled.addScaled(s, sparse, s.FromFloat32(y, n), scale)
			if sum.Dtype() != quant.BF16 {
				t.Errorf("the output is %s", sum.Dtype())
			}
			near(t, "x + scale*y", s.Float32s(sum), want, 0.02)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// A source that does not compile, and one for no such backend, are errors with a text.
func TestKernelErrors(t *testing.T) {
	broken := *addScaled
	broken.Name, broken.CUDA.Body, broken.Metal.Body = "broken", "nonsense", "nonsense"
	for _, d := range []Device{CPU, GPU} {
		t.Run(d.String(), func(t *testing.T) {
			th, err := Start(d)
			if err != nil {
				t.Skip(err)
			}
			defer th.Close()
			err = th.Do(t.Context(), func(s *Scope) error {
				x := s.FromFloat32(ramp(8), 8)
				return s.Eval(broken.addScaled(s, x, x, 1))
			})
			if e := (*Error)(nil); !errors.As(err, &e) || e.Text == "" {
				t.Errorf("the error is %v", err)
			}
		})
	}
	if n := LiveArrays(); n != 0 {
		t.Errorf("%d arrays are still alive", n)
	}
}
