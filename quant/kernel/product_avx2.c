//go:build cgo && amd64 && !windows

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,f16c")
#endif

#include "vector_avx2.h"
#include "product_call.h"

enum { LANES = 2, MR = 6, ISA = AVX2 };

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

// Few columns as whole numbers: see product_digits.h.
#define HAS_DIGITS
#define DIGIT_ROWS 1 // that share a block of x: more want more registers
enum { DIGIT_SUM = 8 };
#include "product_digits.h"

// byte_of is byte d of each of 32 words, in their order, less 128.
INLINE __m256i byte_of(const __m256i w[4], int d) {
	__m256i b[4], low = _mm256_set1_epi32(255);
	for (int k = 0; k < 4; k++)
		b[k] = _mm256_and_si256(_mm256_srli_epi32(w[k], 8 * d), low);
	__m256i all = _mm256_packus_epi16(_mm256_packus_epi32(b[0], b[1]), _mm256_packus_epi32(b[2], b[3]));
	all = _mm256_permutevar8x32_epi32(all, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
	return _mm256_xor_si256(all, _mm256_set1_epi8((char)128));
}

// digit_sums are, for each eight elements of a block, the products of codes under 25 with their x.
INLINE __m256i digit_sums(const struct digits *x, __m256i even, __m256i odd) {
	__m256i s[3], one = _mm256_set1_epi16(1);
	for (int d = 0; d < 3; d++)
		s[d] = _mm256_add_epi16(_mm256_maddubs_epi16(even, _mm256_loadu_si256((const __m256i *)x->digit[d][0][0])),
			_mm256_maddubs_epi16(odd, _mm256_loadu_si256((const __m256i *)x->digit[d][0][1])));
	__m256i high = _mm256_add_epi32(_mm256_madd_epi16(s[2], _mm256_set1_epi16(256)), _mm256_madd_epi16(s[1], one));
	return _mm256_add_epi32(_mm256_slli_epi32(high, 8), _mm256_madd_epi16(s[0], one));
}

// v_size is the larger of a and the size of b: NaN is larger than all, as bits are.
INLINE vf v_size(vf a, vf b) {
	__m256i size = _mm256_and_si256(_mm256_castps_si256(b), _mm256_set1_epi32(0x7FFFFFFF));
	return _mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256(a), size));
}

// v_largest is the largest of sizes.
INLINE float v_largest(vf sizes) {
	__m256i v = _mm256_castps_si256(sizes);
	__m128i most = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
	most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0x4E));
	return _mm_cvtss_f32(_mm_castsi128_ps(_mm_max_epi32(most, _mm_shuffle_epi32(most, 0xB1))));
}

// v_pack_digits packs whole numbers.
static void v_pack_digits(struct digits *to, const float *x) {
	for (int odd = 0; odd < 2; odd++) {
		__m256i w[4];
		for (int k = 0; k < 4; k++) {
			__m256 a = _mm256_loadu_ps(x + 16 * k), b = _mm256_loadu_ps(x + 16 * k + 8);
			a = odd ? _mm256_shuffle_ps(a, b, 0xDD) : _mm256_shuffle_ps(a, b, 0x88);
			a = _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(a), 0xD8));
			w[k] = _mm256_add_epi32(_mm256_cvtps_epi32(a), _mm256_set1_epi32(0x808080));
		}
		for (int d = 0; d < 3; d++)
			_mm256_storeu_si256((__m256i *)to->digit[d][0][odd], byte_of(w, d));
	}
	__m256i zero = _mm256_set1_epi8(E2M1_ZERO);
	_mm256_storeu_si256((__m256i *)to->zero, _mm256_sub_epi32(_mm256_setzero_si256(), digit_sums(to, zero, zero)));
}

// digit_codes are a block's codes as bytes: of elements 0, 2, 4... and of 1, 3, 5...
typedef struct {
	__m256i even, odd;
} digit_codes;

INLINE digit_codes v_digit_codes(const u8 *p, int e2m1) {
	__m256i v = _mm256_loadu_si256((const __m256i *)p), low = _mm256_set1_epi8(15);
	digit_codes c = {_mm256_and_si256(v, low), _mm256_and_si256(_mm256_srli_epi16(v, 4), low)};
	if (!e2m1)
		return c;
	__m256i table = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)e2m1_codes));
	return (digit_codes){_mm256_shuffle_epi8(table, c.even), _mm256_shuffle_epi8(table, c.odd)};
}

// v_row_sums are the sums over vectors of DIGIT_ROWS rows.
INLINE void v_row_sums(float *sums, const vf *rows) { *sums = v_sum(*rows); }

// v_dot_digits are, for each eight elements of a block, their products.
INLINE vf v_dot_digits(const struct digits *x, digit_codes c, int e2m1) {
	__m256i sums = digit_sums(x, c.even, c.odd);
	if (e2m1)
		sums = _mm256_add_epi32(sums, _mm256_loadu_si256((const __m256i *)x->zero));
	return _mm256_cvtepi32_ps(sums);
}

// v_digit_scales spreads scales over the sums of a block.
INLINE vf v_digit_scales(const float *s, int64_t block, int group) {
	if (group == 16)
		return _mm256_permutevar_ps(_mm256_broadcast_ps((const __m128 *)(s + 4 * block)), _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3));
	if (group == 32)
		return _mm256_permutevar_ps(_mm256_castpd_ps(_mm256_broadcast_sd((const double *)(s + 2 * block))), _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1));
	return _mm256_set1_ps(s[block * 64 / group]);
}

#define KERNELS qk_avx2
#include "product_body.h"

#ifdef __clang__
#pragma clang attribute pop
#endif
