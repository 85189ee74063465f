//go:build cgo

#define _GNU_SOURCE
#include "kernel_cuda.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

typedef size_t number_function(const char*, size_t);
typedef int compiled_function(mlx_vector_array*, const char*, const void*, size_t, mlx_vector_array, const int*, int,
                              const int*, const int*, int, mlx_stream);

static number_function* number;
static compiled_function* compiled;
static pthread_once_t sought = PTHREAD_ONCE_INIT;

static void seek(void) {
  number = (number_function*)dlsym(RTLD_DEFAULT, "qimport_mlx_code_number");
  compiled = (compiled_function*)dlsym(RTLD_DEFAULT, "qimport_mlx_compiled");
}

bool qimport_has_compiled(void) {
  pthread_once(&sought, seek);
  return number && compiled;
}

size_t qimport_code_number(const char* code, size_t size) { return number(code, size); }

int qimport_compiled(mlx_vector_array* results, const char* name, const void* code, size_t code_size,
                     mlx_vector_array inputs, const int* sizes, int size_count, const int* threads,
                     const int* outputs, int count, mlx_stream stream) {
  return compiled(results, name, code, code_size, inputs, sizes, size_count, threads, outputs, count, stream);
}
