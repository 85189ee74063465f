// What mlx-c leaves to its user: an error handler that remembers instead of
// ending the process, and the settings that must be made before first use.
#include <mlx/c/mlx.h>

// qimport_mlx_init installs the error handler, and switches off TF32 products
// and compilation (which would call the system's C++ compiler on a CPU; for a GPU
// a Thread switches it on).
void qimport_mlx_init(void);

// qimport_mlx_error is this OS thread's last error, or "".
const char* qimport_mlx_error(void);

// qimport_blas_config is OpenBLAS's description of itself, or NULL.
const char* qimport_blas_config(void);

// qimport_array_bytes is the memory of an evaluated array, or NULL.
void* qimport_array_bytes(mlx_array a);

// qimport_array_ready says whether an array's elements are computed and lie row
// by row, so that its memory can be read as it is.
bool qimport_array_ready(mlx_array a);

// qimport_function computes outputs from inputs that lie row by row; see Scope.Call.
typedef void qimport_function(const void* argument, const void* const* inputs,
                              const int64_t* sizes, void* output);

// qimport_has_call says whether the mlx-c that is loaded has operations of ours (native/call.cpp).
bool qimport_has_call(void);

// qimport_call is qimport_mlx_call of native/call.cpp.
int qimport_call(mlx_array* outputs, size_t count, const int* dims, const int* shapes, const int* over,
                 mlx_dtype dtype, void* function, void* argument, const mlx_array* inputs,
                 size_t input_count, mlx_stream stream);

// qimport_call_now calls the function at once.
void qimport_call_now(void* function, void* argument, void** inputs, const int64_t* sizes,
                      void** outputs, size_t count);
