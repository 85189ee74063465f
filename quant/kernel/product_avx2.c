//go:build cgo && amd64 && !windows

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,f16c")
#endif

#include <immintrin.h>
#include "product_call.h"

typedef __m256 vf;
enum { VF = 8, LANES = 2, MR = 6, ISA = AVX2 };

#define INLINE static inline __attribute__((always_inline))

INLINE vf v_zero(void) { return _mm256_setzero_ps(); }
INLINE vf v_set(float x) { return _mm256_set1_ps(x); }
INLINE vf v_load(const float *p) { return _mm256_loadu_ps(p); }
INLINE void v_store(float *p, vf a) { _mm256_storeu_ps(p, a); }
INLINE vf v_add(vf a, vf b) { return _mm256_add_ps(a, b); }
INLINE vf v_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
INLINE vf v_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }

INLINE float v_sum(vf a) {
	__m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
	s = _mm_add_ps(s, _mm_movehl_ps(s, s));
	return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}

// v_bf16, v_f16 and v_u8 widen VF elements.
INLINE vf v_bf16(const u8 *p) {
	return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)), 16));
}
INLINE vf v_f16(const u8 *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
INLINE vf v_u8(const u8 *p) { return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p))); }

// v_e4m3 is VF e4m3 codes divided by 256: their bits are those of f16 with another exponent bias. NaN
// codes become numbers: see has_nan.
INLINE vf v_e4m3(const u8 *p) {
	__m128i w = _mm_slli_epi16(_mm_cvtepi8_epi16(_mm_loadl_epi64((const __m128i *)p)), 7);
	return _mm256_cvtph_ps(_mm_and_si128(w, _mm_set1_epi16((short)0xBFFF)));
}

// v_e4m3_exact is VF e4m3 values, NaN too.
INLINE vf v_e4m3_exact(const u8 *p) {
	__m256i c = _mm256_and_si256(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)), _mm256_set1_epi32(0x7F));
	__m256i nan = _mm256_cmpeq_epi32(c, _mm256_set1_epi32(0x7F));
	return _mm256_or_ps(_mm256_mul_ps(v_e4m3(p), _mm256_set1_ps(256)), _mm256_castsi256_ps(nan));
}

// v_has_nan says whether there is a NaN among 32 e4m3 codes.
INLINE int v_has_nan(const u8 *p) {
	__m256i c = _mm256_and_si256(_mm256_loadu_si256((const __m256i *)p), _mm256_set1_epi8(0x7F));
	return _mm256_movemask_epi8(_mm256_cmpeq_epi8(c, _mm256_set1_epi8(0x7F)));
}

// v_bits is VF whole numbers of 2 to 6 bits out of the 16 bytes from p on: the two bytes that each lies
// in, shifted and cut.
typedef struct { __m256i bytes, shifts, mask; } bit_table;

INLINE bit_table v_bit_table(const u8 *bytes, const uint32_t *shifts, int bits, int begin) {
	(void)begin;
	return (bit_table){_mm256_loadu_si256((const __m256i *)bytes), _mm256_loadu_si256((const __m256i *)shifts), _mm256_set1_epi32((1 << bits) - 1)};
}

INLINE vf v_bits(const u8 *p, bit_table t) {
	__m256i v = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p)), t.bytes);
	return _mm256_cvtepi32_ps(_mm256_and_si256(_mm256_srlv_epi32(v, t.shifts), t.mask));
}

// v_nibbles is the values of 16 * LANES bytes, whose upper halves as bf16 are in two tables, in the order
// of nibble_order.
typedef struct { __m256i high, low; } nibble_table;

INLINE nibble_table v_table(const u8 high[16], const u8 low[16]) {
	return (nibble_table){_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)high)),
		_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)low))};
}

INLINE void v_half(vf out[4], __m256i code, nibble_table t) {
	__m256i high = _mm256_shuffle_epi8(t.high, code), low = _mm256_shuffle_epi8(t.low, code);
	__m256i a = _mm256_unpacklo_epi8(low, high), b = _mm256_unpackhi_epi8(low, high);
	__m256i upper = _mm256_set1_epi32((int)0xFFFF0000);
	out[0] = _mm256_castsi256_ps(_mm256_slli_epi32(a, 16));
	out[1] = _mm256_castsi256_ps(_mm256_and_si256(a, upper));
	out[2] = _mm256_castsi256_ps(_mm256_slli_epi32(b, 16));
	out[3] = _mm256_castsi256_ps(_mm256_and_si256(b, upper));
}

INLINE void v_nibbles(vf out[8], const u8 *p, nibble_table t) {
	__m256i v = _mm256_loadu_si256((const __m256i *)p), low = _mm256_set1_epi8(15);
	v_half(out, _mm256_and_si256(v, low), t);
	v_half(out + 4, _mm256_and_si256(_mm256_srli_epi16(v, 4), low), t);
}

// v_scales spreads the scales of block b over the lanes of v_nibbles' vectors: a for those of the first
// half of each 16 bytes, b for the others.
INLINE void v_scales(vf *a, vf *b, const float *s, int64_t block, int group) {
	if (group == 16) {
		__m256 v = _mm256_broadcast_ps((const __m128 *)(s + 4 * block));
		*a = _mm256_permutevar_ps(v, _mm256_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2));
		*b = _mm256_permutevar_ps(v, _mm256_setr_epi32(1, 1, 1, 1, 3, 3, 3, 3));
	} else if (group == 32) {
		__m256 v = _mm256_castpd_ps(_mm256_broadcast_sd((const double *)(s + 2 * block)));
		*a = *b = _mm256_permutevar_ps(v, _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1));
	} else {
		*a = *b = _mm256_set1_ps(s[block * 64 / group]);
	}
}

#define KERNELS qk_avx2
#include "product_body.h"

#ifdef __clang__
#pragma clang attribute pop
#endif
