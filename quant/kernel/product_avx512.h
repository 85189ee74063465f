// The vectors of AVX-512: see product_body.h.
#include "vector_avx512.h"
#include "product_call.h"

enum { LANES = 4, MR = 12 };

INLINE vf v_bf16(const u8 *p) {
	return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p)), 16));
}
INLINE vf v_f16(const u8 *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
INLINE vf v_u8(const u8 *p) { return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p))); }

// v_e4m3 is VF e4m3 codes divided by 256: their bits are those of f16 with another exponent bias. NaN
// codes become numbers: see v_has_nan.
INLINE vf v_e4m3(const u8 *p) {
	__m256i w = _mm256_slli_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p)), 7);
	return _mm512_cvtph_ps(_mm256_and_si256(w, _mm256_set1_epi16((short)0xBFFF)));
}

INLINE vf v_e4m3_exact(const u8 *p) {
	__m512i c = _mm512_and_si512(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)), _mm512_set1_epi32(0x7F));
	__mmask16 nan = _mm512_cmpeq_epi32_mask(c, _mm512_set1_epi32(0x7F));
	return _mm512_mask_mov_ps(_mm512_mul_ps(v_e4m3(p), _mm512_set1_ps(256)), nan, _mm512_set1_ps(__builtin_nanf("")));
}

INLINE int v_has_nan(const u8 *p) {
	__m256i c = _mm256_and_si256(_mm256_loadu_si256((const __m256i *)p), _mm256_set1_epi8(0x7F));
	return _mm256_cmpeq_epi8_mask(c, _mm256_set1_epi8(0x7F)) != 0;
}

typedef struct { __m512i bytes, shifts, mask; } bit_table;

INLINE bit_table v_bit_table(const u8 *bytes, const uint32_t *shifts, int bits, int begin) {
	(void)begin;
	return (bit_table){_mm512_loadu_si512(bytes), _mm512_loadu_si512(shifts), _mm512_set1_epi32((1 << bits) - 1)};
}

INLINE vf v_bits(const u8 *p, bit_table t) {
	__m512i v = _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)p)), t.bytes);
	return _mm512_cvtepi32_ps(_mm512_and_si512(_mm512_srlv_epi32(v, t.shifts), t.mask));
}

typedef struct { __m512i high, low; } nibble_table;

INLINE nibble_table v_table(const u8 high[16], const u8 low[16]) {
	return (nibble_table){_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)high)),
		_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)low))};
}

// v_halves is the floats whose upper halves have these bytes.
INLINE void v_halves(vf out[4], __m512i high, __m512i low) {
	__m512i a = _mm512_unpacklo_epi8(low, high), b = _mm512_unpackhi_epi8(low, high);
	__m512i upper = _mm512_set1_epi32((int)0xFFFF0000);
	out[0] = _mm512_castsi512_ps(_mm512_slli_epi32(a, 16));
	out[1] = _mm512_castsi512_ps(_mm512_and_si512(a, upper));
	out[2] = _mm512_castsi512_ps(_mm512_slli_epi32(b, 16));
	out[3] = _mm512_castsi512_ps(_mm512_and_si512(b, upper));
}

INLINE void v_half(vf out[4], __m512i code, nibble_table t) {
	v_halves(out, _mm512_shuffle_epi8(t.high, code), _mm512_shuffle_epi8(t.low, code));
}

INLINE void v_nibbles(vf out[8], const u8 *p, nibble_table t) {
	__m512i v = _mm512_loadu_si512(p), low = _mm512_set1_epi8(15);
	v_half(out, _mm512_and_si512(v, low), t);
	v_half(out + 4, _mm512_and_si512(_mm512_srli_epi16(v, 4), low), t);
}

// v_scales spreads the scales of block b over the lanes of v_nibbles' vectors: a for those of the first
// half of each 16 bytes, b for the others.
INLINE void v_scales(vf *a, vf *b, const float *s, int64_t block, int group) {
	if (group == 16) {
		__m512 v = _mm512_castps256_ps512(_mm256_loadu_ps(s + 8 * block));
		*a = _mm512_permutexvar_ps(_mm512_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2, 4, 4, 4, 4, 6, 6, 6, 6), v);
		*b = _mm512_permutexvar_ps(_mm512_setr_epi32(1, 1, 1, 1, 3, 3, 3, 3, 5, 5, 5, 5, 7, 7, 7, 7), v);
	} else if (group == 32) {
		__m512 v = _mm512_castps128_ps512(_mm_loadu_ps(s + 4 * block));
		*a = *b = _mm512_permutexvar_ps(_mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3), v);
	} else if (group == 64) {
		__m512 v = _mm512_castps128_ps512(_mm_loadu_ps(s + 2 * block)); // two more are there: see scales_of
		*a = *b = _mm512_permutexvar_ps(_mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1), v);
	} else {
		*a = *b = _mm512_set1_ps(s[block]);
	}
}
