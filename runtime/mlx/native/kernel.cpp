// Kernels of ours for CUDA in its machine code, for which mlx-c has no call.
#include "dtypes.h"
#include "mlx/array.h"
#include "mlx/fast.h"

#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace mx = mlx::core;

// qimport_mlx_code_number is the number that MLX puts behind the name of a kernel that it is given that code for,
// where it calls its files (CustomKernel::eval_gpu and get_ptx_path of MLX's backend/cuda).
extern "C" __attribute__((visibility("default"))) size_t qimport_mlx_code_number(const char* code, size_t size) {
  return std::hash<std::string>{}(std::string(code, size));
}

// qimport_mlx_compiled is qimport_compiled of ../kernel_cuda.h; results are of mlx_vector_array_new.
extern "C" __attribute__((visibility("default"))) int qimport_mlx_compiled(
    mlx_vector_array* results, const char* name, const void* code, size_t code_size, mlx_vector_array inputs,
    const int* sizes, int size_count, const int* threads, const int* outputs, int count, mlx_stream stream) {
  try {
    std::vector<mx::Shape> shapes;
    std::vector<mx::Dtype> dtypes;
    for (; count > 0; count--) {
      dtypes.push_back(dtype_of(static_cast<mlx_dtype>(outputs[0])));
      shapes.push_back(mx::Shape(outputs + 2, outputs + 2 + outputs[1]));
      outputs += 2 + outputs[1];
    }
    const auto& in = *static_cast<std::vector<mx::array>*>(inputs.ctx);
    auto made = mx::fast::precompiled_cuda_kernel(
        name, std::string(static_cast<const char*>(code), code_size), in, shapes, dtypes,
        std::vector<mx::fast::ScalarArg>(sizes, sizes + size_count), {threads[0], threads[1], threads[2]},
        {threads[3], threads[4], threads[5]}, 0, std::nullopt, true, *static_cast<mx::Stream*>(stream.ctx));
    *static_cast<std::vector<mx::array>*>(results->ctx) = std::move(made);
    return 0;
  } catch (const std::exception& e) {
    mlx_error("%s", e.what());
    return 1;
  }
}
