//go:build cgo

#define _GNU_SOURCE
#include "glue.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static _Thread_local char last_error[2048];

static void remember(const char* message, void* unused) {
  (void)unused;
  snprintf(last_error, sizeof last_error, "%s", message);
}

void qimport_mlx_init(void) {
  setenv("MLX_ENABLE_TF32", "0", 1);
  mlx_set_error_handler(remember, NULL, NULL);
  mlx_disable_compile();
}

const char* qimport_mlx_error(void) { return last_error; }

const char* qimport_blas_config(void) {
  static const char* const names[] = {"scipy_openblas_get_config", "openblas_get_config"};
  for (int i = 0; i < 2; i++) {
    char* (*config)(void) = (char* (*)(void))dlsym(RTLD_DEFAULT, names[i]);
    if (config) return config();
  }
  return NULL;
}

void* qimport_array_bytes(mlx_array a) { return (void*)mlx_array_data_uint8(a); }

bool qimport_array_ready(mlx_array a) {
  bool computed = false, by_row = false;
  return _mlx_array_is_available(&computed, a) == 0 && computed &&
      _mlx_array_is_row_contiguous(&by_row, a) == 0 && by_row;
}

typedef int call_function(mlx_array* outputs, size_t count, const int* dims, const int* shapes,
                          const int* over, mlx_dtype dtype, qimport_function* f, const void* argument,
                          const mlx_array* inputs, size_t input_count, mlx_stream stream);

static call_function* call;
static pthread_once_t call_found = PTHREAD_ONCE_INIT;

static void find_call(void) { call = (call_function*)dlsym(RTLD_DEFAULT, "qimport_mlx_call"); }

bool qimport_has_call(void) {
  pthread_once(&call_found, find_call);
  return call != NULL;
}

int qimport_call(mlx_array* outputs, size_t count, const int* dims, const int* shapes, const int* over,
                 mlx_dtype dtype, void* function, void* argument, const mlx_array* inputs,
                 size_t input_count, mlx_stream stream) {
  return call(outputs, count, dims, shapes, over, dtype, (qimport_function*)function, argument, inputs, input_count, stream);
}

void qimport_call_now(void* function, void* argument, void** inputs, const int64_t* sizes,
                      void** outputs, size_t count) {
  ((qimport_function*)function)(argument, (const void* const*)inputs, sizes, count == 1 ? outputs[0] : outputs);
}
