//go:build cgo

package layer

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"qimport/quant"
	"qimport/runtime/mlx"
)

// cudaUse is a kernel with dtypes and constants that layers use it with.
type cudaUse struct {
	kernel *mlx.Kernel
	run    mlx.KernelRun
	inputs []quant.Dtype
}

// epsilon and base are constants of the kernels: bits of float32s, 1e-6 and log2(1e7).
const epsilon, base = 897988541, 1102710569

// cudaUses are all kernels for CUDA, as layers use them with activations of that dtype.
func cudaUses(act quant.Dtype) (all []cudaUse) {
	const f32, i32 = quant.F32, quant.I32
	use := func(k *mlx.Kernel, inputs, outputs, types []quant.Dtype, ints ...int) {
		r := mlx.KernelRun{Ints: ints, Types: types}
		for _, d := range outputs {
			r.Outputs = append(r.Outputs, mlx.KernelOutput{Dtype: d})
		}
		all = append(all, cudaUse{k, r, inputs})
	}
	type dtypes = []quant.Dtype
	use(gatedDeltaKernel, dtypes{act, act, f32, f32, f32, f32, f32}, dtypes{act, act, f32, f32}, dtypes{act, f32, f32}, 16, 32, 128, 128, 4, fusedRows, 256, epsilon)
	use(normedKernel, dtypes{f32, f32, act}, dtypes{act}, nil, epsilon)
	use(addedKernel, dtypes{act, act, f32, act}, dtypes{f32}, nil)
	for _, d := range []int{64, 128, 256} {
		use(attendKernel, dtypes{act, act, act, f32, f32, i32}, dtypes{act, act, act}, nil, 8, 2, d, 64, epsilon, base)
	}
	use(chooseKernel, dtypes{f32}, dtypes{i32, f32}, nil, 8, 256, 1)
	for rows, kernel := range openedKernel {
		stack := dtypes{quant.U32, quant.U8, f32}[:len(rows.inputs)]
		if rows == &plainRowsInput {
			stack = dtypes{act}
		}
		use(kernel, append(dtypes{act, i32}, stack...), dtypes{act}, dtypes{act}, 512, 2048)
		use(weighedKernel[rows], append(dtypes{act, i32, f32, f32}, stack...), dtypes{f32}, dtypes{act}, 8, 2048, 512)
	}
	return all
}

// TestCUDASources: CUDA's compiler makes an H100's machine code of every kernel without a header. It needs no GPU,
// only NVRTC in the process: MLX for CUDA, or LD_PRELOAD=libnvrtc.so.13.
func TestCUDASources(t *testing.T) {
	for _, act := range []quant.Dtype{quant.F32, quant.BF16} {
		for _, u := range cudaUses(act) {
			code, err := u.kernel.CompileCUDA("sm_90", u.run, u.inputs)
			if errors.Is(err, mlx.ErrNoNVRTC) {
				t.Skip(err)
			}
			if err != nil || !bytes.HasPrefix(code, []byte("\x7fELF")) {
				t.Errorf("%s with activations in %s: %d bytes of code, %v", u.kernel.Name, act, len(code), err)
			}
		}
	}
}

// TestCUDASourcesAreAll: TestCUDASources has every kernel that this package's files make.
func TestCUDASourcesAreAll(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	made, named := regexp.MustCompile(`mlx\.Kernel\{[^}]`), regexp.MustCompile(`mlx\.Kernel\{\s*Name:\s*"(\w+)"`)
	var all []string
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		found := named.FindAllSubmatch(text, -1)
		if len(found) != len(made.FindAll(text, -1)) {
			t.Errorf("%s: the kernels with names are %q, and there are others", name, found)
		}
		for _, kernel := range found {
			all = append(all, string(kernel[1]))
		}
	}
	if len(all) == 0 {
		t.Error("no kernels found")
	}
	for _, name := range all {
		if !slices.ContainsFunc(cudaUses(quant.F32), func(u cudaUse) bool { return strings.HasPrefix(u.kernel.Name, name) }) {
			t.Errorf("%s is not compiled", name)
		}
	}
}
