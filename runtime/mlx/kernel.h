// Functions of our own that run on a GPU as one operation. mlx-c has the same
// calls twice, for CUDA and for Metal; here they are one.
#include <mlx/c/mlx.h>

// qimport_kernel is what mlx-c makes of a source; ctx is NULL if it made nothing.
typedef struct {
  void* ctx;
  bool metal;
} qimport_kernel;

qimport_kernel qimport_kernel_new(
    bool metal, const char* name, mlx_vector_string inputs,
    mlx_vector_string outputs, const char* body, const char* header);

void qimport_kernel_free(qimport_kernel k);

// qimport_kernel_apply adds one run of k to the graph. names are those of its
// constants: `ints` of them whole numbers, then `types` dtypes; values are
// theirs. threads are the grid's three sizes and then a group's. outputs has
// for each of `count` outputs its dtype, its rank and the size of each dimension.
int qimport_kernel_apply(
    mlx_vector_array* results, qimport_kernel k, mlx_vector_array inputs,
    char** names, const int* values, int ints, int types, const int* threads,
    const int* outputs, int count, mlx_stream stream);
