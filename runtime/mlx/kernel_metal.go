package mlx

/*
#include <stdlib.h>
#include "kernel_metal.h"
*/
import "C"

import (
	"slices"
	"unsafe"
)

// runMetal is Run for a Metal kernel, which MLX compiles.
func (s *Scope) runMetal(k *Kernel, r KernelRun, inputs C.mlx_vector_array) []*Array {
	compiled := s.thread.metalKernel(k)
	results := C.mlx_vector_array_new()
	rc := C.qimport_metal_apply(&results, compiled.handle, inputs, compiled.names(), r.constants(),
		C.int(len(r.Ints)), C.int(len(r.Types)), r.threads(), r.layout(), C.int(len(r.Outputs)), s.thread.stream)
	return s.unpack(k.Name, rc, results)
}

// metalKernel is what mlx-c needs for runs of a Kernel.
type metalKernel struct {
	handle    C.mlx_fast_metal_kernel
	constants []*C.char // names, in C's memory
}

// metalKernel is k as the thread has it, made at the first use.
func (t *Thread) metalKernel(k *Kernel) *metalKernel {
	made, ok := t.metal[k]
	if !ok {
		made = k.metalKernel()
		t.metal[k] = made
	}
	return made
}

func (k *Kernel) metalKernel() *metalKernel {
	texts := []*C.char{C.CString(k.Name), C.CString(k.Metal.Body), C.CString(k.Metal.Header)}
	inputs, outputs := stringVector(k.Inputs), stringVector(k.Outputs)
	made := &metalKernel{handle: C.mlx_fast_metal_kernel_new(texts[0], inputs, outputs, texts[1], texts[2], true, false)}
	C.mlx_vector_string_free(inputs)
	C.mlx_vector_string_free(outputs)
	for _, text := range texts {
		C.free(unsafe.Pointer(text))
	}
	if made.handle.ctx == nil {
		panic(lastError(k.Name))
	}
	for _, name := range slices.Concat(k.Ints, k.Types) {
		made.constants = append(made.constants, C.CString(name))
	}
	return made
}

func (m *metalKernel) names() **C.char { return unsafe.SliceData(m.constants) }

// freeKernels frees all that mlx-c made for the thread.
func (t *Thread) freeKernels() {
	for _, m := range t.metal {
		C.mlx_fast_metal_kernel_free(m.handle)
		for _, name := range m.constants {
			C.free(unsafe.Pointer(name))
		}
	}
	clear(t.metal)
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
