package mlx

/*
#include <stdlib.h>
#include "kernel.h"
*/
import "C"

import (
	"fmt"
	"slices"
	"unsafe"

	"qimport/quant"
)

// Kernel is a function of our own that a GPU runs as one operation. MLX writes the function's head:
// a pointer for each input and output, and the constants, under the names given here; where the
// body says x_shape, that is the sizes of input x. It is plain data: Scope.Run has it compiled, and
// the Thread frees what came of that when it closes. A CPU has none.
type Kernel struct {
	Name            string // letters, digits and _
	Inputs, Outputs []string
	Ints, Types     []string // constants: whole numbers, and dtypes by the backend's names
	CUDA, Metal     KernelSource
}

// KernelSource is a Kernel in one backend's language.
type KernelSource struct {
	Header string // what the function uses, put before it
	Body   string // of the function
}

// KernelRun is one use of a Kernel.
type KernelRun struct {
	Inputs  []*Array // those that do not lie row by row in memory are copied first
	Outputs []KernelOutput
	Ints    []int         // values of the constants, not negative; each combination is compiled anew
	Types   []quant.Dtype // likewise
	Threads [3]int        // in all, in each dimension
	Group   [3]int        // in one group (a "block" of CUDA, a "threadgroup" of Metal)
}

// KernelOutput is an array that a Kernel fills.
type KernelOutput struct {
	Dtype quant.Dtype
	Shape []int
}

// Run adds a run of the kernel to the graph and returns its outputs. Errors in the source come
// with Eval.
func (s *Scope) Run(k *Kernel, r KernelRun) []*Array {
	if len(r.Inputs) != len(k.Inputs) || len(r.Outputs) != len(k.Outputs) || len(r.Ints) != len(k.Ints) || len(r.Types) != len(k.Types) {
		panic(&Error{Op: k.Name, Text: fmt.Sprintf("a run with %d inputs, %d outputs, %d numbers and %d dtypes; the kernel has %d, %d, %d and %d",
			len(r.Inputs), len(r.Outputs), len(r.Ints), len(r.Types), len(k.Inputs), len(k.Outputs), len(k.Ints), len(k.Types))})
	}
	compiled := s.thread.kernel(k)
	values, _ := ints(r.Ints)
	constants := make([]C.int, 0, len(r.Ints)+len(r.Types)+1) // one more, so that there is a first
	constants = append(constants, unsafe.Slice(values, len(r.Ints))...)
	for _, d := range r.Types {
		constants = append(constants, C.int(toMLX(d)))
	}
	threads, _ := ints(append(r.Threads[:], r.Group[:]...))
	var outputs []int
	for _, o := range r.Outputs {
		outputs = append(append(outputs, int(toMLX(o.Dtype)), len(o.Shape)), o.Shape...)
	}
	layout, _ := ints(outputs)
	inputs := vector(r.Inputs)
	defer C.mlx_vector_array_free(inputs)
	results := C.mlx_vector_array_new()
	rc := C.qimport_kernel_apply(&results, compiled.handle, inputs, compiled.names(), unsafe.SliceData(constants),
		C.int(len(r.Ints)), C.int(len(r.Types)), threads, layout, C.int(len(r.Outputs)), s.thread.stream)
	return s.unpack(k.Name, rc, results)
}

// compiledKernel is what mlx-c needs for runs of a Kernel.
type compiledKernel struct {
	handle    C.qimport_kernel
	constants []*C.char // names, in C's memory
}

// kernel is k as the thread's backend has it, made at the first use.
func (t *Thread) kernel(k *Kernel) *compiledKernel {
	c, ok := t.kernels[k]
	if !ok {
		c = k.compile(t.info.Backend)
		t.kernels[k] = c
	}
	return c
}

func (k *Kernel) compile(backend string) *compiledKernel {
	source := map[string]KernelSource{"cuda": k.CUDA, "metal": k.Metal}[backend]
	if source.Body == "" {
		panic(&Error{Op: k.Name, Text: "there is no such kernel for the backend " + backend})
	}
	texts := []*C.char{C.CString(k.Name), C.CString(source.Body), C.CString(source.Header)}
	inputs, outputs := stringVector(k.Inputs), stringVector(k.Outputs)
	c := &compiledKernel{handle: C.qimport_kernel_new(backend == "metal", texts[0], inputs, outputs, texts[1], texts[2])}
	C.mlx_vector_string_free(inputs)
	C.mlx_vector_string_free(outputs)
	for _, text := range texts {
		C.free(unsafe.Pointer(text))
	}
	if c.handle.ctx == nil {
		panic(lastError(k.Name))
	}
	for _, name := range slices.Concat(k.Ints, k.Types) {
		c.constants = append(c.constants, C.CString(name))
	}
	return c
}

func (c *compiledKernel) names() **C.char { return unsafe.SliceData(c.constants) }

func (c *compiledKernel) free() {
	C.qimport_kernel_free(c.handle)
	for _, name := range c.constants {
		C.free(unsafe.Pointer(name))
	}
}

// freeKernels frees all that the thread has compiled.
func (t *Thread) freeKernels() {
	for _, c := range t.kernels {
		c.free()
	}
	clear(t.kernels)
}

// stringVector is the C vector of texts; the caller frees it.
func stringVector(texts []string) C.mlx_vector_string {
	v := C.mlx_vector_string_new()
	for _, text := range texts {
		c := C.CString(text)
		C.mlx_vector_string_append_value(v, c)
		C.free(unsafe.Pointer(c))
	}
	return v
}
