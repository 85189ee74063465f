// Kernels of ours for CUDA, in its machine code: native/kernel.cpp, where MLX's library was built here.
#include <mlx/c/mlx.h>

#include <stddef.h>

// qimport_has_compiled says whether the mlx-c that is loaded runs such kernels.
bool qimport_has_compiled(void);

// qimport_code_number is the number by which MLX tells kernels of one name apart that it is given that code for.
size_t qimport_code_number(const char* code, size_t size);

// qimport_compiled adds one run of a kernel to the graph: name is its function, which is in the code, or in the
// files that MLX keeps under its name. threads are the grid's three sizes and then a group's, outputs has for
// each of `count` outputs its dtype, its rank and the size of each dimension. sizes are handed to the function
// behind inputs and outputs.
int qimport_compiled(mlx_vector_array* results, const char* name, const void* code, size_t code_size,
                     mlx_vector_array inputs, const int* sizes, int size_count, const int* threads,
                     const int* outputs, int count, mlx_stream stream);
