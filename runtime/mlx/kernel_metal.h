// Kernels of ours for Metal, which MLX compiles.
#include <mlx/c/mlx.h>

// qimport_metal_apply adds one run of k to the graph. names are those of its
// constants: `ints` of them whole numbers, then `types` dtypes; values are
// theirs. threads are the grid's three sizes and then a group's. outputs has
// for each of `count` outputs its dtype, its rank and the size of each dimension.
// It returns 0, or 1 after mlx-c has reported an error.
int qimport_metal_apply(
    mlx_vector_array* results, mlx_fast_metal_kernel k, mlx_vector_array inputs,
    char** names, const int* values, int ints, int types, const int* threads,
    const int* outputs, int count, mlx_stream stream);
