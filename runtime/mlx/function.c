//go:build cgo

#include "function.h"

// qimport_trace is Go's: it builds the graph of a function.
extern int qimport_trace(mlx_vector_array* outputs, mlx_vector_array inputs, uintptr_t function);

static int trace(mlx_vector_array* outputs, const mlx_vector_array inputs, void* function) {
  return qimport_trace(outputs, inputs, (uintptr_t)function);
}

static void keep(void* function) { (void)function; }

mlx_closure qimport_function_new(uintptr_t function) {
  mlx_closure compiled = mlx_closure_new();
  mlx_closure plain = mlx_closure_new_func_payload(trace, (void*)function, keep);
  if (mlx_compile(&compiled, plain, false) != 0) {
    mlx_closure_free(compiled);
    compiled.ctx = NULL;
  }
  mlx_closure_free(plain);
  return compiled;
}
