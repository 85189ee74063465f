// What all kernels of single tokens have at hand on CUDA: their sources are put behind this one.
namespace qimport {

constexpr int WARP = 32;
constexpr int WIDE = 8; // neighbouring numbers that a thread loads at once

__device__ inline float warp_sum(float x) {
  for (int step = 1; step < WARP; step *= 2) {
    x += __shfl_xor_sync(0xffffffff, x, step);
  }
  return x;
}

// WIDE neighbouring numbers as they lie in memory, and as float32.
template <typename T>
struct Chunk;

template <>
struct Chunk<float> {
  float4 a, b;
  __device__ void load(const float* from) {
    a = *reinterpret_cast<const float4*>(from);
    b = *reinterpret_cast<const float4*>(from + 4);
  }
  __device__ void widen(float* to) const {
    to[0] = a.x, to[1] = a.y, to[2] = a.z, to[3] = a.w;
    to[4] = b.x, to[5] = b.y, to[6] = b.z, to[7] = b.w;
  }
};

template <>
struct Chunk<bf16> {
  uint4 a;
  __device__ void load(const bf16* from) { a = *reinterpret_cast<const uint4*>(from); }
  __device__ void widen(float* to) const {
    const unsigned pairs[4] = {a.x, a.y, a.z, a.w};
#pragma unroll
    for (int i = 0; i < 4; i++) {
      to[2 * i] = __uint_as_float(pairs[i] << 16);
      to[2 * i + 1] = __uint_as_float(pairs[i] & 0xffff0000u);
    }
  }
};

} // namespace qimport
