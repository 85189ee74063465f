//go:build cgo

#include "kernel_metal.h"

static int configure(
    mlx_fast_metal_kernel_config c, char** names, const int* values, int ints, int types,
    const int* threads, const int* out, int count) {
  int rc = mlx_fast_metal_kernel_config_set_grid(c, threads[0], threads[1], threads[2]) ||
      mlx_fast_metal_kernel_config_set_thread_group(c, threads[3], threads[4], threads[5]);
  for (int i = 0; i < ints + types && !rc; i++) {
    rc = i < ints
        ? mlx_fast_metal_kernel_config_add_template_arg_int(c, names[i], values[i])
        : mlx_fast_metal_kernel_config_add_template_arg_dtype(c, names[i], (mlx_dtype)values[i]);
  }
  for (; count > 0 && !rc; count--) {
    rc = mlx_fast_metal_kernel_config_add_output_arg(c, out + 2, (size_t)out[1], (mlx_dtype)out[0]);
    out += 2 + out[1];
  }
  return rc;
}

int qimport_metal_apply(
    mlx_vector_array* results, mlx_fast_metal_kernel k, mlx_vector_array inputs,
    char** names, const int* values, int ints, int types, const int* threads,
    const int* outputs, int count, mlx_stream stream) {
  mlx_fast_metal_kernel_config c = mlx_fast_metal_kernel_config_new();
  int rc = c.ctx == NULL ||
      configure(c, names, values, ints, types, threads, outputs, count) ||
      mlx_fast_metal_kernel_apply(results, k, inputs, c, stream);
  mlx_fast_metal_kernel_config_free(c);
  return rc;
}
