// What mlx-c leaves to its user: an error handler that remembers instead of
// ending the process, and the settings that must be made before first use.
#include <mlx/c/mlx.h>

// qimport_mlx_init installs the error handler, and switches off TF32 products
// and compilation (which would call the system's C++ compiler on a CPU).
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

// qimport_has_sgemm says whether a BLAS with the C interface is loaded.
bool qimport_has_sgemm(void);

// qimport_sgemm is cblas_sgemm for matrices that lie row by row, with alpha = 1.
void qimport_sgemm(bool ta, bool tb, int m, int n, int k, const float* a, int lda,
                   const float* b, int ldb, float beta, float* c, int ldc);
