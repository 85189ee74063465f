// mlx-c's numbers of dtypes as MLX's dtypes.
#include "mlx/c/mlx.h"
#include "mlx/dtype.h"

inline mlx::core::Dtype dtype_of(mlx_dtype d) {
  using namespace mlx::core;
  static const Dtype dtypes[] = {bool_, uint8, uint16, uint32, uint64, int8, int16,
                                 int32, int64, float16, float32, float64, bfloat16, complex64};
  return dtypes[d];
}
