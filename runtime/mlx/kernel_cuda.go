package mlx

/*
#include <stdlib.h>
#include "kernel_cuda.h"
*/
import "C"

import (
	"fmt"
	"strings"
	"sync"
	"unsafe"

	"qimport/quant"
)

// HasKernels says whether kernels of ours can run on this machine's GPU: with Metal, and with CUDA where mlx-c was
// built here and there is NVRTC.
func HasKernels() bool { return hasKernels() }

var hasKernels = sync.OnceValue(func() bool {
	if backend(GPU) != "cuda" {
		return backend(GPU) == "metal"
	}
	_, err := nvrtc{}.version()
	return err == nil && bool(C.qimport_has_compiled())
})

// CompileCUDA is the machine code of the kernel for inputs of these dtypes, made for one kind of GPU (sm_90), which
// need not be there, and not kept. It is for tests; Run compiles by itself. Of the outputs only dtypes count. Without
// CUDA's compiler the error is ErrNoNVRTC.
func (k *Kernel) CompileCUDA(arch string, r KernelRun, inputs []quant.Dtype) ([]byte, error) {
	nowhere := func() codeFolder { return "" }
	c := cudaCompiler{compiler: nvrtc{}, arch: arch, folder: nowhere, file: strings.Clone, made: map[string]cudaCode{}}
	made, err := c.code(k.Name, k.cudaSource(r, inputs))
	return made.given, err
}

// runCUDA is Run for a CUDA kernel, which is compiled here and kept.
func (s *Scope) runCUDA(k *Kernel, r KernelRun, inputs C.mlx_vector_array) []*Array {
	if !C.qimport_has_compiled() {
		panic(&Error{Op: k.Name, Text: "kernels for CUDA need MLX as this version sets it up: QIMPORT_MLX=cuda make setup"})
	}
	dtypes := make([]quant.Dtype, len(r.Inputs))
	for i, a := range r.Inputs {
		dtypes[i] = a.Dtype()
	}
	code, err := s.thread.cuda.code(k.Name, k.cudaSource(r, dtypes))
	if err != nil {
		panic(&Error{Op: k.Name, Text: err.Error()})
	}
	var asked []int
	for _, size := range k.cudaSizes() {
		asked = append(asked, r.Inputs[size.input].Dim(size.axis))
	}
	sizes, n := ints(asked)
	name := C.CString(code.function)
	defer C.free(unsafe.Pointer(name))
	results := C.mlx_vector_array_new()
	rc := C.qimport_compiled(&results, name, unsafe.Pointer(unsafe.SliceData(code.given)), C.size_t(len(code.given)), inputs,
		sizes, C.int(n), r.threads(), r.layout(), C.int(len(r.Outputs)), s.thread.stream)
	return s.unpack(k.Name, rc, results)
}

// newCUDACompiler makes kernels for a GPU of that capability.
func newCUDACompiler(capability [2]int64) *cudaCompiler {
	return &cudaCompiler{
		compiler: nvrtc{},
		arch:     fmt.Sprintf("sm_%d%d", capability[0], capability[1]),
		folder:   mlxFolder,
		file: func(function string) string {
			return fmt.Sprintf("%s_%x", function, C.qimport_code_number(nil, 0))
		},
		made: map[string]cudaCode{},
	}
}
