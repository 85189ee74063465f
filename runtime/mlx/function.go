package mlx

/*
#include "function.h"
*/
import "C"

import "runtime/cgo"

// Function is a part of a graph that is built again and again. On a GPU it is built once for all inputs of
// the same shapes and dtypes; MLX then makes it anew from what it remembers, with operations of one element
// after the other joined into one. It is plain data: Scope.Apply has it traced, and the Thread frees what
// came of that, with the arrays that Build used besides its inputs, when it closes.
type Function struct {
	// Build builds the graph from its inputs, which it does not own. It must compute nothing, read no
	// values, and do the same every time.
	Build func(s *Scope, inputs []*Array) []*Array
}

// Apply is the outputs of the function for these inputs. On a CPU it is no more than a call of Build.
func (s *Scope) Apply(f *Function, inputs ...*Array) []*Array {
	if s.Device() == CPU {
		return f.Build(s, inputs)
	}
	return s.replay(f, inputs)
}

// replay is Apply where MLX has traced the function, or does now.
func (s *Scope) replay(f *Function, inputs []*Array) []*Array {
	t := s.thread.traced(f)
	t.scope, t.err = s, nil
	in := vector(inputs)
	defer C.mlx_vector_array_free(in)
	out := C.mlx_vector_array_new()
	rc := C.mlx_closure_apply(&out, t.closure, in)
	if rc != 0 && t.err != nil {
		C.mlx_vector_array_free(out)
		Raise(t.err)
	}
	return s.unpack("apply", rc, out)
}

// tracedFunction is a Function as a thread has it.
type tracedFunction struct {
	build   func(*Scope, []*Array) []*Array
	closure C.mlx_closure
	handle  cgo.Handle
	scope   *Scope // of the call that is traced
	err     error  // of the last trace
}

// traced is f as the thread has it, made at the first use.
func (t *Thread) traced(f *Function) *tracedFunction {
	if made, ok := t.functions[f]; ok {
		return made
	}
	made := &tracedFunction{build: f.Build}
	made.handle = cgo.NewHandle(made)
	made.closure = C.qimport_function_new(C.uintptr_t(made.handle))
	if made.closure.ctx == nil {
		made.handle.Delete()
		panic(lastError("compile"))
	}
	t.functions[f] = made
	return made
}

// freeFunctions frees all that was traced on the thread.
func (t *Thread) freeFunctions() {
	for _, f := range t.functions {
		C.mlx_closure_free(f.closure)
		f.handle.Delete()
	}
	clear(t.functions)
}

// qimport_trace is called by MLX, within Apply, for inputs of shapes that it does not know yet.
//
//export qimport_trace
func qimport_trace(outputs *C.mlx_vector_array, inputs C.mlx_vector_array, handle C.uintptr_t) C.int {
	t := cgo.Handle(handle).Value().(*tracedFunction)
	t.err = t.scope.Nested(func(s *Scope) error {
		in := make([]*Array, C.mlx_vector_array_size(inputs))
		for i := range in {
			a := s.array()
			in[i] = a.ok("trace", C.mlx_vector_array_get(&a.handle, inputs, C.size_t(i)))
		}
		*outputs = vector(t.build(s, in)) // what MLX gives is no vector yet, and it frees this one
		return nil
	})
	if t.err != nil {
		return 1
	}
	return 0
}
