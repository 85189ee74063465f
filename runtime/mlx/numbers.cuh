// What kernels of ours for CUDA have at hand. They are compiled without any header of CUDA's or of MLX's, whose
// reading takes NVRTC seconds, so that the few names they would have of those are here.
typedef unsigned char uint8_t;
typedef int int32_t;
typedef unsigned int uint32_t;

#define INFINITY __int_as_float(0x7f800000)

namespace qimport {

// The upper half of a float32, to which one is rounded as IEEE 754 has it, ties to even.
struct __align__(2) bf16 {
  unsigned short bits;

  bf16() = default;
  __device__ explicit bf16(float x) {
    const unsigned all = __float_as_uint(x);
    bits = x != x ? 0x7fff : (all + 0x7fff + (all >> 16 & 1)) >> 16;
  }
  __device__ operator float() const { return __uint_as_float((unsigned)bits << 16); }
};

} // namespace qimport
