// The fast versions of the kernels, one set of functions an instruction set, reached through one
// table. Arguments are pointers and lengths, checked on the Go side. See native_body.h.
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;

// What a weight or an affine scale is stored as: the values of Elem in elem.go.
enum { BF16, F16, F32 };

// The instruction sets, in the order of native_cgo.go. BASE is what the compiler may always assume:
// SSE2 on x86-64, NEON on arm64. AVX512VNNI has kernels of its own for products only.
enum { BASE, AVX2, AVX512, AVX512VNNI };

void qk_widen(int isa, float *dst, const u8 *src, int from, size_t n);
void qk_narrow(int isa, u8 *dst, int to, const float *src, size_t n);
size_t qk_non_finite(int isa, const u8 *src, int from, size_t n);

void qk_encode_nvfp4(int isa, u8 *codes, u8 *scales, const u8 *src, int from, size_t groups, float global, int search, const float *weights, size_t columns);
void qk_encode_mxfp4(int isa, u8 *codes, u8 *scales, const u8 *src, int from, size_t groups, int search, const float *weights, size_t columns);
void qk_encode_mxfp8(int isa, u8 *codes, u8 *scales, const u8 *src, int from, size_t groups);
void qk_encode_affine(int isa, u8 *codes, u8 *scales, u8 *biases, const u8 *src, int from, int scale, int bits, int group, size_t groups, int search, const float *weights, size_t columns);

void qk_decode_nvfp4(int isa, float *dst, const u8 *codes, const u8 *scales, size_t groups, float global);
void qk_decode_mxfp4(int isa, float *dst, const u8 *codes, const u8 *scales, size_t groups);
void qk_decode_mxfp8(int isa, float *dst, const u8 *codes, const u8 *scales, size_t groups);
void qk_decode_e4m3(int isa, float *dst, const u8 *codes, size_t n, float scale);
void qk_decode_affine(int isa, float *dst, const u8 *codes, const u8 *scales, const u8 *biases, int scale, int bits, int group, size_t groups);

void qk_add_low_rank(int isa, float *dst, const float *b, const float *a, size_t rows, size_t rank, size_t cols);

// a [k, m] and b [k, n], rows ra and rb apart: d [m, n] less the transpose of a times b.
void qk_subtract_product(int isa, double *d, size_t stride, const double *a, size_t ra, const double *b, size_t rb, size_t m, size_t n, size_t k);
