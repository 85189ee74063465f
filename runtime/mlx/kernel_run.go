package mlx

/*
#include "glue.h"
*/
import "C"

import (
	"fmt"
	"unsafe"
)

// Run adds a run of the kernel to the graph and returns its outputs. Errors in the source come with it or with
// Eval.
func (s *Scope) Run(k *Kernel, r KernelRun) []*Array {
	r.check(k, s.Backend())
	inputs := vector(r.Inputs)
	defer C.mlx_vector_array_free(inputs)
	if s.Backend() == "cuda" {
		return s.runCUDA(k, r, inputs)
	}
	return s.runMetal(k, r, inputs)
}

// threads are the sizes of the grid and of a group, for C.
func (r KernelRun) threads() *C.int {
	all, _ := ints(append(r.Threads[:], r.Group[:]...))
	return all
}

// layout is, for C, each output's dtype, its rank and its sizes.
func (r KernelRun) layout() *C.int {
	var all []int
	for _, o := range r.Outputs {
		all = append(append(all, int(toMLX(o.Dtype)), len(o.Shape)), o.Shape...)
	}
	layout, _ := ints(all)
	return layout
}

// constants are, for C, the values of the constants.
func (r KernelRun) constants() *C.int {
	all := make([]C.int, 0, len(r.Ints)+len(r.Types)+1) // one more, so that there is a first
	for _, n := range r.Ints {
		all = append(all, C.int(n))
	}
	for _, d := range r.Types {
		all = append(all, C.int(toMLX(d)))
	}
	return unsafe.SliceData(all)
}

// check panics where the run does not go with the kernel, or the backend has no source of it.
func (r KernelRun) check(k *Kernel, backend string) {
	if len(r.Inputs) != len(k.Inputs) || len(r.Outputs) != len(k.Outputs) || len(r.Ints) != len(k.Ints) || len(r.Types) != len(k.Types) {
		panic(&Error{Op: k.Name, Text: fmt.Sprintf("a run with %d inputs, %d outputs, %d numbers and %d dtypes; the kernel has %d, %d, %d and %d",
			len(r.Inputs), len(r.Outputs), len(r.Ints), len(r.Types), len(k.Inputs), len(k.Outputs), len(k.Ints), len(k.Types))})
	}
	source := map[string]KernelSource{"cuda": k.CUDA, "metal": k.Metal}[backend]
	if source.Body == "" {
		panic(&Error{Op: k.Name, Text: "there is no such kernel for the backend " + backend})
	}
}
