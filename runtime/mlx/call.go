package mlx

/*
#include "glue.h"
*/
import "C"

import (
	"unsafe"

	"qimport/quant"
)

// Output is one array that an operation of Scope.Calls makes.
type Output struct {
	Shape []int
	// Over is the number of an input of the same size, counted from 1, whose memory the output takes
	// over if nothing else uses it any more; 0 for none. What was there is then read and written in
	// one place.
	Over int
}

// HasCall says whether MLX's library was built here, so that Call is an operation of the graph.
func HasCall() bool { return bool(C.qimport_has_call()) }

// Call is an operation of the CPU's graph that a C function computes, of this signature:
//
//	void f(const void *argument, const void *const *inputs, const int64_t *sizes, void *output)
//
// Inputs come row-major, sizes are how many elements each has. function and argument must stay valid until
// the result is computed. Where MLX's library was not built here the inputs are computed at once.
func (s *Scope) Call(function, argument unsafe.Pointer, dtype quant.Dtype, shape []int, inputs ...*Array) *Array {
	return s.Calls(function, argument, dtype, []Output{{Shape: shape}}, inputs...)[0]
}

// Calls is Call with several outputs of one dtype: where there are more than one, output points to a
// list of them.
func (s *Scope) Calls(function, argument unsafe.Pointer, dtype quant.Dtype, outputs []Output, inputs ...*Array) []*Array {
	if function == nil || s.Device() != CPU {
		panic(&Error{Op: "call", Text: "no function that a CPU's graph could call"})
	}
	if !HasCall() {
		return s.callNow(function, argument, dtype, outputs, inputs)
	}
	var dims, shapes, over []C.int
	for _, o := range outputs {
		dims, over = append(dims, C.int(len(o.Shape))), append(over, C.int(o.Over-1))
		for _, n := range o.Shape {
			shapes = append(shapes, C.int(n))
		}
	}
	in, made := handles(inputs), make([]C.mlx_array, len(outputs))
	rc := C.qimport_call(&made[0], C.size_t(len(made)), unsafe.SliceData(dims), unsafe.SliceData(shapes), unsafe.SliceData(over),
		toMLX(dtype), function, argument, unsafe.SliceData(in), C.size_t(len(in)), s.thread.stream)
	all := make([]*Array, len(made))
	for i := range made {
		all[i] = s.array()
		all[i].handle = made[i]
		all[i].ok("call", rc)
	}
	return all
}

// handles are those of arrays.
func handles(arrays []*Array) []C.mlx_array {
	all := make([]C.mlx_array, len(arrays))
	for i, a := range arrays {
		all[i] = a.in()
	}
	return all
}

// callNow is Calls without an operation in the graph.
func (s *Scope) callNow(function, argument unsafe.Pointer, dtype quant.Dtype, outputs []Output, inputs []*Array) []*Array {
	all := make([]*Array, len(outputs))
	places := make([]unsafe.Pointer, len(outputs))
	for i, o := range outputs {
		all[i] = s.Zeros(dtype, o.Shape...)
	}
	err := s.Nested(func(s *Scope) error {
		rows := make([]*Array, len(inputs))
		for i, a := range inputs {
			rows[i] = s.Contiguous(a)
		}
		if err := s.Eval(append(append([]*Array{}, rows...), all...)...); err != nil {
			return err
		}
		var ready []unsafe.Pointer
		var sizes []C.int64_t
		for _, a := range rows {
			ready, sizes = append(ready, C.qimport_array_bytes(a.handle)), append(sizes, C.int64_t(a.Size()))
		}
		for i, a := range all {
			places[i] = C.qimport_array_bytes(a.handle)
		}
		C.qimport_call_now(function, argument, unsafe.SliceData(ready), unsafe.SliceData(sizes), unsafe.SliceData(places), C.size_t(len(places)))
		return nil
	})
	if err != nil {
		Raise(err)
	}
	return all
}
