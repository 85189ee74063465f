package mlx

/*
#include "glue.h"
*/
import "C"

import (
	"context"
)

// Scope makes arrays and frees them when it ends. It belongs to the function that was given it,
// on the MLX thread, and must not be used elsewhere or later.
type Scope struct {
	thread *Thread
	parent *Scope
	ctx    context.Context
	arrays []*Array
}

// inScope runs f in a scope and frees the scope's arrays, however f ends.
func inScope(s *Scope, f func(*Scope) error) (err error) {
	defer s.end()
	defer func() {
		if r := recover(); r != nil {
			err = recovered(r)
		}
	}()
	return f(s)
}

// Nested runs f in a scope of its own, so that the arrays it makes do not outlive it. Those that are
// to do so are kept, or handed to this scope with Promote.
func (s *Scope) Nested(f func(*Scope) error) error {
	return inScope(&Scope{thread: s.thread, parent: s, ctx: s.ctx}, f)
}

// Only runs f in a scope of its own and takes over the one array that it returns. The handles of all
// others are freed before anything is computed, so that MLX uses their memory again as soon as the
// last operation has read it. A whole layer's arrays would else stay until its scope ends.
func (s *Scope) Only(f func(*Scope) *Array) *Array {
	in := &Scope{thread: s.thread, parent: s, ctx: s.ctx}
	defer in.end()
	return s.Adopt(f(in))
}

// Context is the context that Do was given.
func (s *Scope) Context() context.Context { return s.ctx }

// Device is where the operations run: CPU or GPU.
func (s *Scope) Device() Device { return s.thread.info.Device }

// Backend is what runs the operations: "cpu", "cuda" or "metal".
func (s *Scope) Backend() string { return s.thread.info.Backend }

// Keep takes arrays out of the scope and returns the first: their owner calls Free.
func (s *Scope) Keep(a *Array, more ...*Array) *Array {
	a.scope = nil
	for _, m := range more {
		m.scope = nil
	}
	return a
}

// Promote hands an array to the scope around this one and returns it. In a scope that Do made,
// it does nothing.
func (s *Scope) Promote(a *Array) *Array {
	if s.parent != nil {
		s.parent.Adopt(a)
	}
	return a
}

// Adopt makes the scope the owner of an array, kept until now or of another scope, and returns it.
func (s *Scope) Adopt(a *Array) *Array {
	if a.scope != s {
		a.scope = s
		s.arrays = append(s.arrays, a)
	}
	return a
}

func (s *Scope) end() {
	for _, a := range s.arrays {
		if a.scope == s {
			a.Free()
		}
	}
	s.arrays = nil
}

// Eval computes arrays, and with them all that they depend on. It returns the context's error if
// that is cancelled. (It panics for none of these: an operation that fails only now is an *Error
// returned.)
func (s *Scope) Eval(arrays ...*Array) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	v := vector(arrays)
	defer C.mlx_vector_array_free(v)
	if C.mlx_eval(v) != 0 {
		return lastError("eval")
	}
	return nil
}

// AsyncEval starts to compute arrays and does not wait for them.
func (s *Scope) AsyncEval(arrays ...*Array) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	v := vector(arrays)
	defer C.mlx_vector_array_free(v)
	if C.mlx_async_eval(v) != 0 {
		return lastError("async_eval")
	}
	return nil
}

// vector is the C vector of arrays; the caller frees it.
func vector(arrays []*Array) C.mlx_vector_array {
	handles := make([]C.mlx_array, len(arrays))
	for i, a := range arrays {
		handles[i] = a.in()
	}
	if len(handles) == 0 {
		return C.mlx_vector_array_new()
	}
	return C.mlx_vector_array_new_data(&handles[0], C.size_t(len(handles)))
}

// unpack takes the arrays out of a C vector that an operation filled, and frees the vector.
func (s *Scope) unpack(op string, rc C.int, v C.mlx_vector_array) []*Array {
	defer C.mlx_vector_array_free(v)
	if rc != 0 {
		panic(lastError(op))
	}
	out := make([]*Array, C.mlx_vector_array_size(v))
	for i := range out {
		a := s.array()
		out[i] = a.ok(op, C.mlx_vector_array_get(&a.handle, v, C.size_t(i)))
	}
	return out
}
