//go:build cgo && (amd64 || arm64)

// Why C: the same source serves SSE2, AVX2, AVX-512 and NEON, and reads like the definition. Measured
// on nvfp4 from bf16 with AVX-512, one core: these loops as gcc 12 vectorizes them 4.2 GB/s, Go
// assembler written by hand, 50 instructions a group, 3.7 GB/s, for that one mode and element type.
// That the NEON code gives the same bytes has been seen under qemu only, its speed not measured.

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF // or clang fuses a*b + c; gcc stops at -std=c11
#else
#pragma GCC optimize("no-trapping-math") // or gcc does not compute both sides of a choice
#endif

#include "native.h"
#include <string.h>

// Pointers into byte buffers may have any alignment and alias anything.
typedef uint16_t __attribute__((aligned(1), may_alias)) any16;
typedef uint32_t __attribute__((aligned(1), may_alias)) any32;

#define ABS 0x7FFFFFFFu
#define INF 0x7F800000u
#define NAN_BF16 0x7FC0
#define NAN_F16 0x7E00
#define NAN_F32 0x7FC00000u

// Elements are taken in pieces that stay in the first-level cache between the loops over them.
// A multiple of every group.
#define PIECE 512

// A product that is subtracted is cut into blocks whose copies, 4 and 64 KB, stay in the second-level cache.
#define DEEP 128
#define WIDE 64

// Helpers are inlined wherever they are used, so that a group's length is a constant in its loop.
#define INLINE static inline __attribute__((always_inline))

#define TARGET
#define DOUBLES 2 // in a vector
#define FN(name) name##_base
#include "native_body.h"
#undef TARGET
#undef DOUBLES
#undef FN

#ifdef __x86_64__
#define TARGET __attribute__((target("avx2,f16c")))
#define DOUBLES 4
#define FN(name) name##_avx2
#include "native_body.h"
#undef TARGET
#undef DOUBLES
#undef FN

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))
#define DOUBLES 8
#define FN(name) name##_avx512
#include "native_body.h"
#define CALL(isa, name, ...) \
	(isa >= AVX512 ? name##_avx512(__VA_ARGS__) : isa == AVX2 ? name##_avx2(__VA_ARGS__) : name##_base(__VA_ARGS__))
#else
#define CALL(isa, name, ...) name##_base(__VA_ARGS__)
#endif

void qk_widen(int isa, float *dst, const u8 *src, int from, size_t n) { CALL(isa, widen, dst, src, from, n); }
void qk_narrow(int isa, u8 *dst, int to, const float *src, size_t n) { CALL(isa, narrow, dst, to, src, n); }
size_t qk_non_finite(int isa, const u8 *src, int from, size_t n) { return CALL(isa, non_finite, src, from, n); }

void qk_encode_nvfp4(int isa, u8 *codes, u8 *scales, const u8 *src, int from, size_t groups, float global, int search, const float *weights, size_t columns) {
	CALL(isa, encode_nvfp4, codes, scales, src, from, groups, global, search, weights, columns);
}
void qk_encode_mxfp4(int isa, u8 *codes, u8 *scales, const u8 *src, int from, size_t groups, int search, const float *weights, size_t columns) {
	CALL(isa, encode_mxfp4, codes, scales, src, from, groups, search, weights, columns);
}
void qk_encode_mxfp8(int isa, u8 *codes, u8 *scales, const u8 *src, int from, size_t groups) {
	CALL(isa, encode_mxfp8, codes, scales, src, from, groups);
}
void qk_encode_affine(int isa, u8 *codes, u8 *scales, u8 *biases, const u8 *src, int from, int scale, int bits, int group, size_t groups, int search, const float *weights, size_t columns) {
	CALL(isa, encode_affine, codes, scales, biases, src, from, scale, bits, group, groups, search, weights, columns);
}

void qk_decode_nvfp4(int isa, float *dst, const u8 *codes, const u8 *scales, size_t groups, float global) {
	CALL(isa, decode_nvfp4, dst, codes, scales, groups, global);
}
void qk_decode_mxfp4(int isa, float *dst, const u8 *codes, const u8 *scales, size_t groups) {
	CALL(isa, decode_mxfp4, dst, codes, scales, groups);
}
void qk_decode_mxfp8(int isa, float *dst, const u8 *codes, const u8 *scales, size_t groups) {
	CALL(isa, decode_mxfp8, dst, codes, scales, groups);
}
void qk_decode_e4m3(int isa, float *dst, const u8 *codes, size_t n, float scale) {
	CALL(isa, decode_e4m3, dst, codes, n, scale);
}
void qk_decode_affine(int isa, float *dst, const u8 *codes, const u8 *scales, const u8 *biases, int scale, int bits, int group, size_t groups) {
	CALL(isa, decode_affine, dst, codes, scales, biases, scale, bits, group, groups);
}

void qk_add_low_rank(int isa, float *dst, const float *b, const float *a, size_t rows, size_t rank, size_t cols) {
	CALL(isa, add_low_rank, dst, b, a, rows, rank, cols);
}

void qk_subtract_product(int isa, double *d, size_t stride, const double *a, size_t ra, const double *b, size_t rb, size_t m, size_t n, size_t k) {
	CALL(isa, subtract_product, d, stride, a, ra, b, rb, m, n, k);
}
