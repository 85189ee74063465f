//go:build cgo

#include "kernel.h"

// CONFIGURE and APPLY are the same text for both backends: only the prefix of
// mlx-c's names differs. Each returns 0, or 1 after mlx-c has reported an error.
#define CONFIGURE(backend)                                                     \
  static int configure_##backend(                                              \
      mlx_fast_##backend##_kernel_config c, char** names, const int* values,   \
      int ints, int types, const int* threads, const int* out, int count) {    \
    int rc = mlx_fast_##backend##_kernel_config_set_grid(                      \
                 c, threads[0], threads[1], threads[2]) ||                     \
        mlx_fast_##backend##_kernel_config_set_thread_group(                   \
                 c, threads[3], threads[4], threads[5]);                       \
    for (int i = 0; i < ints + types && !rc; i++) {                            \
      rc = i < ints                                                            \
          ? mlx_fast_##backend##_kernel_config_add_template_arg_int(           \
                c, names[i], values[i])                                        \
          : mlx_fast_##backend##_kernel_config_add_template_arg_dtype(         \
                c, names[i], (mlx_dtype)values[i]);                            \
    }                                                                          \
    for (; count > 0 && !rc; count--) {                                        \
      rc = mlx_fast_##backend##_kernel_config_add_output_arg(                  \
          c, out + 2, (size_t)out[1], (mlx_dtype)out[0]);                      \
      out += 2 + out[1];                                                       \
    }                                                                          \
    return rc;                                                                 \
  }

#define APPLY(backend)                                                         \
  static int apply_##backend(                                                  \
      mlx_vector_array* results, qimport_kernel k, mlx_vector_array inputs,    \
      char** names, const int* values, int ints, int types,                    \
      const int* threads, const int* outputs, int count, mlx_stream stream) {  \
    mlx_fast_##backend##_kernel kernel = {k.ctx};                              \
    mlx_fast_##backend##_kernel_config c =                                     \
        mlx_fast_##backend##_kernel_config_new();                              \
    int rc = c.ctx == NULL ||                                                  \
        configure_##backend(                                                   \
                 c, names, values, ints, types, threads, outputs, count) ||    \
        mlx_fast_##backend##_kernel_apply(results, kernel, inputs, c, stream); \
    mlx_fast_##backend##_kernel_config_free(c);                                \
    return rc;                                                                 \
  }

CONFIGURE(cuda)
CONFIGURE(metal)
APPLY(cuda)
APPLY(metal)

qimport_kernel qimport_kernel_new(
    bool metal, const char* name, mlx_vector_string inputs,
    mlx_vector_string outputs, const char* body, const char* header) {
  void* ctx = metal
      ? mlx_fast_metal_kernel_new(name, inputs, outputs, body, header, true, false).ctx
      : mlx_fast_cuda_kernel_new(name, inputs, outputs, body, header, true, 0).ctx;
  return (qimport_kernel){ctx, metal};
}

void qimport_kernel_free(qimport_kernel k) {
  if (k.metal) {
    mlx_fast_metal_kernel_free((mlx_fast_metal_kernel){k.ctx});
  } else {
    mlx_fast_cuda_kernel_free((mlx_fast_cuda_kernel){k.ctx});
  }
}

int qimport_kernel_apply(
    mlx_vector_array* results, qimport_kernel k, mlx_vector_array inputs,
    char** names, const int* values, int ints, int types, const int* threads,
    const int* outputs, int count, mlx_stream stream) {
  return (k.metal ? apply_metal : apply_cuda)(
      results, k, inputs, names, values, ints, types, threads, outputs, count, stream);
}
