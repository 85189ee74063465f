// Operations of MLX's graph that a C function computes: what Scope.Call is where
// libmlxc is built here.
//
// On the CPU's stream the function is a task among the others, in the order of
// the graph: nothing has to be evaluated before it. An output takes over the
// memory of an input that nothing else uses any more, where it is asked to: so a
// state is carried on in place.
#include "dtypes.h"
#include "mlx/allocator.h"
#include "mlx/array.h"
#include "mlx/backend/cpu/encoder.h"
#include "mlx/primitives.h"

#include <cstring>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

namespace mx = mlx::core;

namespace {

// function is qimport_function of ../glue.h.
using function = void (*)(const void* argument, const void* const* inputs,
                          const int64_t* sizes, void* output);

// copy_rows writes the elements of a, row-major, to dst, which it leaves behind them.
void copy_rows(const mx::array& a, size_t axis, const char* src, char*& dst) {
  const auto size = a.itemsize();
  if (axis == a.ndim()) {
    std::memcpy(dst, src, size);
    dst += size;
    return;
  }
  const auto n = a.shape(axis);
  const auto step = a.strides()[axis] * static_cast<int64_t>(size);
  if (axis + 1 == a.ndim() && step == static_cast<int64_t>(size)) {
    std::memcpy(dst, src, n * size);
    dst += n * size;
    return;
  }
  for (auto i = 0; i < n; i++)
    copy_rows(a, axis + 1, src + i * step, dst);
}

class Call : public mx::Primitive {
 public:
  Call(mx::Stream stream, function f, const void* argument, std::vector<int> over)
      : Primitive(stream), f_(f), argument_(argument), over_(std::move(over)) {}

  void eval_cpu(const std::vector<mx::array>& inputs, std::vector<mx::array>& outputs) override {
    std::vector<const void*> in;
    std::vector<int64_t> sizes;
    std::vector<void*> out;
    for (auto& o : outputs)  // each has its own list of the inputs, in which they count as used
      if (&o.inputs() != &inputs)
        o.inputs().clear();
    for (auto& a : inputs) {
      in.push_back(in_rows(a));
      sizes.push_back(a.size());
    }
    for (size_t i = 0; i < outputs.size(); i++) {
      place(outputs[i], over_[i] < 0 ? nullptr : &inputs[over_[i]]);
      out.push_back(outputs[i].data<char>());
    }
    mx::cpu::get_command_encoder(stream()).dispatch(
        [f = f_, argument = argument_, in = std::move(in), sizes = std::move(sizes), out = std::move(out)]() mutable {
          f(argument, in.data(), sizes.data(), out.size() == 1 ? out[0] : out.data());
        });
  }

  void eval_gpu(const std::vector<mx::array>&, std::vector<mx::array>&) override {
    throw std::runtime_error("a C function computes on a CPU only");
  }

  const char* name() const override { return "Call"; }

 private:
  // in_rows is the memory of an input, or of a row-major copy of it.
  const char* in_rows(const mx::array& a) {
    if (a.flags().row_contiguous)
      return a.data<char>();
    mx::array rows(a.shape(), a.dtype(), nullptr, {});
    rows.set_data(mx::allocator::malloc(rows.nbytes()));
    auto& encoder = mx::cpu::get_command_encoder(stream());
    encoder.dispatch([a = mx::array::unsafe_weak_copy(a), dst = rows.data<char>()]() mutable {
      copy_rows(a, 0, a.data<char>(), dst);
    });
    encoder.add_temporary(rows);
    return rows.data<char>();
  }

  static void place(mx::array& out, const mx::array* over) {
    if (over && over->is_donatable() && over->flags().row_contiguous && over->data_size() == over->size() && over->nbytes() == out.nbytes())
      out.copy_shared_buffer(*over, out.strides(), over->flags(), over->data_size());
    else
      out.set_data(mx::allocator::malloc(out.nbytes()));
  }

  function f_;
  const void* argument_;
  std::vector<int> over_;  // by output: the input whose memory it may take over, or -1
};

}  // namespace

// qimport_mlx_call makes count outputs of that dtype; shapes has the dims[i] sizes of each, one
// output after the other, over[i] the input that it may take the place of, or -1.
extern "C" __attribute__((visibility("default"))) int qimport_mlx_call(
    mlx_array* outputs, size_t count, const int* dims, const int* shapes, const int* over,
    mlx_dtype dtype, function f, const void* argument, const mlx_array* inputs, size_t input_count,
    mlx_stream stream) {
  try {
    std::vector<mx::array> in;
    for (size_t i = 0; i < input_count; i++)
      in.push_back(*static_cast<mx::array*>(inputs[i].ctx));
    std::vector<mx::Shape> out;
    for (size_t i = 0; i < count; shapes += dims[i++])
      out.push_back(mx::Shape(shapes, shapes + dims[i]));
    auto call = std::make_shared<Call>(*static_cast<mx::Stream*>(stream.ctx), f, argument, std::vector<int>(over, over + count));
    auto made = mx::array::make_arrays(std::move(out), std::vector<mx::Dtype>(count, dtype_of(dtype)), call, std::move(in));
    for (size_t i = 0; i < count; i++)
      outputs[i].ctx = new mx::array(made[i]);
    return 0;
  } catch (const std::exception& e) {
    mlx_error("%s", e.what());
    return 1;
  }
}
