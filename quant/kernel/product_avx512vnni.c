//go:build cgo && amd64 && !windows

// AVX-512 on processors that add up products of bytes (VNNI) and look bytes up in whole vectors (VBMI).

#include "product_call.h"

#ifdef __clang__
#pragma clang attribute push(__attribute__((target(EVEX512 "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vbmi,avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vbmi,avx2,fma,f16c")
#endif

#include "product_avx512.h"

enum { ISA = AVX512VNNI };

#define HAS_DIGITS
#define DIGIT_ROWS 4 // that share a block of x
// A block of sixteen elements for each sum is two vectors of codes. Of each 16 bytes of the first and the same of the
// second, the sums are those of its first eight bytes, of its last, and of the second's: sum_order.
enum { DIGIT_SUM = 16 };
#include "product_digits.h"

INLINE __m512i sum_order(void) { return _mm512_setr_epi32(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15); }

// digit_codes are a block's codes as bytes: of the first and the last eight elements of each sum, of each eight
// elements 0, 2, 4, 6 and 1, 3, 5, 7.
typedef struct {
	__m512i v[2][2];
} digit_codes;

INLINE digit_codes v_digit_codes(const u8 *p, int e2m1) {
	__m512 a = _mm512_loadu_ps(p), b = _mm512_loadu_ps(p + 64);
	__m512i halves[2] = {_mm512_castps_si512(_mm512_shuffle_ps(a, b, 0x88)), _mm512_castps_si512(_mm512_shuffle_ps(a, b, 0xDD))};
	__m512i table = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)e2m1_codes)), low = _mm512_set1_epi8(15);
	digit_codes c;
#pragma GCC unroll 2
	for (int i = 0; i < 2; i++) {
		__m512i v = halves[i], high = _mm512_srli_epi16(v, 4);
		// a byte's upper bits choose between copies of the table
		c.v[i][0] = e2m1 ? _mm512_permutexvar_epi8(v, table) : _mm512_and_si512(v, low);
		c.v[i][1] = e2m1 ? _mm512_permutexvar_epi8(high, table) : _mm512_and_si512(high, low);
	}
	return c;
}

// digit_sum adds to the sums of a block the products of its codes with a digit of x.
INLINE __m512i digit_sum(__m512i sum, const struct digits *x, int d, digit_codes c) {
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++)
		sum = _mm512_dpbusd_epi32(sum, c.v[i / 2][i % 2], _mm512_loadu_si512(x->digit[d][i / 2][i % 2]));
	return sum;
}

// digit_sums adds to sum the products of codes with x. Sums wrap around on their way: what they come to, of codes under
// 16 or less than 13 from E2M1_ZERO, is at most 16 * 15 * MOST_UNITS in size, which 32 bits hold. Digits are summed
// apart: one chain would keep more of its steps waiting than a processor has room for.
INLINE __m512i digit_sums(__m512i sum, const struct digits *x, digit_codes c) {
	__m512i zero = _mm512_setzero_si512(), high = digit_sum(zero, x, 2, c), middle = digit_sum(zero, x, 1, c);
	middle = _mm512_add_epi32(middle, _mm512_slli_epi32(high, 8));
	return _mm512_add_epi32(digit_sum(sum, x, 0, c), _mm512_slli_epi32(middle, 8));
}

// v_dot_digits are the sums of a block's products.
INLINE vf v_dot_digits(const struct digits *x, digit_codes c, int e2m1) {
	return _mm512_cvtepi32_ps(digit_sums(e2m1 ? _mm512_loadu_si512(x->zero) : _mm512_setzero_si512(), x, c));
}

// v_row_sums are the sums over vectors of DIGIT_ROWS rows, each in the same order whatever the others are.
INLINE void v_row_sums(float *sums, const vf *r) {
	__m512 ab = v_add(_mm512_unpacklo_ps(r[0], r[1]), _mm512_unpackhi_ps(r[0], r[1]));
	__m512 cd = v_add(_mm512_unpacklo_ps(r[2], r[3]), _mm512_unpackhi_ps(r[2], r[3]));
	__m512d lo = _mm512_unpacklo_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd));
	__m512d hi = _mm512_unpackhi_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd));
	__m512 quarters = v_add(_mm512_castpd_ps(lo), _mm512_castpd_ps(hi));
	__m256 halves = _mm256_add_ps(_mm512_castps512_ps256(quarters), _mm512_extractf32x8_ps(quarters, 1));
	_mm_storeu_ps(sums, _mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps(halves, 1)));
}

// v_size is the larger of a and the size of b: NaN is larger than all, as bits are.
INLINE vf v_size(vf a, vf b) {
	__m512i size = _mm512_and_si512(_mm512_castps_si512(b), _mm512_set1_epi32(0x7FFFFFFF));
	return _mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(a), size));
}

// v_largest is the largest of sizes.
INLINE float v_largest(vf sizes) { return _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(_mm512_reduce_max_epi32(_mm512_castps_si512(sizes))))); }

// digit_bytes writes a digit of each element of a block, more by 128, in their order.
INLINE void digit_bytes(u8 bytes[3][DIGIT_BLOCK], const float *x) {
	for (int k = 0; k < DIGIT_BLOCK; k += VF) {
		__m512i w = _mm512_add_epi32(_mm512_cvtps_epi32(v_load(x + k)), _mm512_set1_epi32(0x808080));
		for (int d = 0; d < 3; d++)
			_mm_store_si128((__m128i *)(bytes[d] + k), _mm512_cvtepi32_epi8(_mm512_srli_epi32(w, 8 * d)));
	}
}

// v_pack_digits packs whole numbers.
static void v_pack_digits(struct digits *to, const float *x) {
	u8 bytes[3][DIGIT_BLOCK] __attribute__((aligned(64)));
	digit_bytes(bytes, x);
	// where the sums of the first vector of codes have their elements, and those of the second, 128 behind
	__m512i from = _mm512_setr_epi32(0, 16, 0, 16, 32, 48, 32, 48, 64, 80, 64, 80, 96, 112, 96, 112);
	from = _mm512_add_epi32(_mm512_mullo_epi32(from, _mm512_set1_epi32(0x01010101)), _mm512_set1_epi32(0x06040200));
	for (int d = 0; d < 3; d++)
		for (int i = 0; i < 4; i++) {
			__m512i order = _mm512_add_epi8(from, _mm512_set1_epi8(i / 2 * 8 + i % 2));
			__m512i a = _mm512_permutex2var_epi8(_mm512_load_si512(bytes[d]), order, _mm512_load_si512(bytes[d] + 64));
			__m512i b = _mm512_permutex2var_epi8(_mm512_load_si512(bytes[d] + 128), order, _mm512_load_si512(bytes[d] + 192));
			__m512i both = _mm512_mask_blend_epi8(0xFF00FF00FF00FF00, a, b);
			_mm512_storeu_si512(to->digit[d][i / 2][i % 2], _mm512_xor_si512(both, _mm512_set1_epi8((char)128)));
		}
	__m512i zero = _mm512_set1_epi8(E2M1_ZERO);
	__m512i sums = digit_sums(_mm512_setzero_si512(), to, (digit_codes){{{zero, zero}, {zero, zero}}});
	_mm512_storeu_si512(to->zero, _mm512_sub_epi32(_mm512_setzero_si512(), sums));
}

// spread writes the 64 upper halves of floats that have these bytes, in their order.
INLINE void spread(u8 *dst, __m512i high, __m512i low) {
	_mm512_storeu_si512(dst, _mm512_unpacklo_epi8(low, high));
	_mm512_storeu_si512(dst + 64, _mm512_unpackhi_epi8(low, high));
}

// codes_in_turn are 64 codes, zeros where there are no more, of which spread makes an order.
INLINE __m512i codes_in_turn(const u8 *codes, int64_t n) {
	__m512i v = n < 64 ? _mm512_maskz_loadu_epi8((1ull << n) - 1, codes) : _mm512_loadu_si512(codes);
	return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7), v);
}

// The bytes of e4m3's values without their signs, as the upper halves of floats: eight multiples of 2^-9, then
// eight for each power of two, and NaN as the last.
#define EIGHT(x) x, x, x, x, x, x, x, x
#define FIFTEEN 0, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x80, 0x90, 0xA0, 0xB0, 0xC0, 0xD0, 0xE0
static const u8 e4m3_high[128] = {
	0, 0x3B, 0x3B, 0x3B, 0x3C, 0x3C, 0x3C, 0x3C, EIGHT(0x3C), EIGHT(0x3D), EIGHT(0x3D), EIGHT(0x3E), EIGHT(0x3E), EIGHT(0x3F), EIGHT(0x3F),
	EIGHT(0x40), EIGHT(0x40), EIGHT(0x41), EIGHT(0x41), EIGHT(0x42), EIGHT(0x42), EIGHT(0x43), 0x43, 0x43, 0x43, 0x43, 0x43, 0x43, 0x43, 0x7F};
static const u8 e4m3_low[128] = {
	0, 0, 0x80, 0xC0, 0, 0x20, 0x40, 0x60, 0x80, 0x90, 0xA0, 0xB0, 0xC0, 0xD0, 0xE0, 0xF0,
	FIFTEEN, 0xF0, FIFTEEN, 0xF0, FIFTEEN, 0xF0, FIFTEEN, 0xF0, FIFTEEN, 0xF0, FIFTEEN, 0xF0, FIFTEEN, 0xC0};

// e4m3_table is those bytes in vectors.
typedef struct {
	__m512i high[2], low[2];
} e4m3_table;

INLINE e4m3_table v_e4m3_table(void) {
	return (e4m3_table){{_mm512_loadu_si512(e4m3_high), _mm512_loadu_si512(e4m3_high + 64)},
		{_mm512_loadu_si512(e4m3_low), _mm512_loadu_si512(e4m3_low + 64)}};
}

// e4m3_bytes looks up 64 codes: the upper bytes of their values' halves, signs too, and the lower ones.
INLINE void e4m3_bytes(__m512i *high, __m512i *low, __m512i codes, e4m3_table t) {
	*high = _mm512_permutex2var_epi8(t.high[0], codes, t.high[1]);
	*high = _mm512_ternarylogic_epi32(*high, codes, _mm512_set1_epi8((char)128), 0xF8); // high | codes & 128
	*low = _mm512_permutex2var_epi8(t.low[0], codes, t.low[1]);
}

// Scales are kept as the upper halves of floats where those hold them. e4m3_halves are those of nvfp4, zeros behind
// them.
#define HAS_HALVES
static void e4m3_halves(u8 *dst, const u8 *codes, int64_t n) {
	e4m3_table t = v_e4m3_table();
	for (int64_t i = 0; i < n; i += 64) {
		__m512i high, low;
		e4m3_bytes(&high, &low, codes_in_turn(codes + i, n - i), t);
		spread(dst + 2 * i, high, low);
	}
}

// e8m0_halves are those of mxfp4, where 0 is 2^-127 and 255 NaN.
static void e8m0_halves(u8 *dst, const u8 *codes, int64_t n) {
	for (int64_t i = 0; i < n; i += 64) {
		__m512i v = codes_in_turn(codes + i, n - i);
		__mmask64 ends = _mm512_cmpeq_epi8_mask(v, _mm512_setzero_si512()) | _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(-1));
		__m512i high = _mm512_and_si512(_mm512_srli_epi16(v, 1), _mm512_set1_epi8(127));
		__m512i low = _mm512_and_si512(_mm512_slli_epi16(v, 7), _mm512_set1_epi8((char)128));
		spread(dst + 2 * i, high, _mm512_mask_blend_epi8(ends, low, _mm512_or_si512(low, _mm512_set1_epi8(64))));
	}
}

// bf16_halves are those of affine formats.
static void bf16_halves(u8 *dst, const u8 *scales, int64_t n) {
	for (int64_t i = 0; i < n; i += 32) {
		__mmask32 there = n - i < 32 ? (1u << (n - i)) - 1 : ~0u;
		_mm512_storeu_si512(dst + 2 * i, _mm512_maskz_loadu_epi16(there, scales + 2 * i));
	}
}

// group_order is the group of each sum of a block.
INLINE __m512i group_order(int group) {
	__m512i order = sum_order();
	return group == 16 ? order : group == 32 ? _mm512_srli_epi32(order, 1) : group == 64 ? _mm512_srli_epi32(order, 2) : _mm512_srli_epi32(order, 3);
}

// v_half_scales spreads the scales of groups over the sums of a block.
INLINE vf v_half_scales(const u8 *halves, int64_t block, int group) {
	__m256i scales = _mm256_loadu_si256((const __m256i *)(halves + 2 * DIGIT_BLOCK / group * block));
	__m512i bytes = _mm512_add_epi32(_mm512_mullo_epi32(group_order(group), _mm512_set1_epi32(0x02020000)), _mm512_set1_epi32(0x01000000));
	return _mm512_castsi512_ps(_mm512_maskz_permutexvar_epi8(0xCCCCCCCCCCCCCCCC, bytes, _mm512_castsi256_si512(scales)));
}

// v_digit_scales spreads those of groups of 32 or more that are floats, of which eight are there: see scales_of.
INLINE vf v_digit_scales(const float *s, int64_t block, int group) {
	__m256 scales = _mm256_loadu_ps(s + DIGIT_BLOCK / group * block);
	return _mm512_permutexvar_ps(group_order(group), _mm512_castps256_ps512(scales));
}

// v_float8 is the values of 64 e4m3 codes in their order, NaN too, zeros where only n are there.
#define HAS_FLOAT8
typedef struct {
	__m512i order;
	e4m3_table values;
} float8_table;

INLINE float8_table v_float8_table(void) {
	// Where the code of each byte comes from: unpacking takes 8 bytes of each 16, and of two bytes that lie
	// beside each other the first is an element of one vector, the second the same element of the next.
	static const u8 order[64] = {
		0, 16, 1, 17, 2, 18, 3, 19, 32, 48, 33, 49, 34, 50, 35, 51, 4, 20, 5, 21, 6, 22, 7, 23, 36, 52, 37, 53, 38, 54, 39, 55,
		8, 24, 9, 25, 10, 26, 11, 27, 40, 56, 41, 57, 42, 58, 43, 59, 12, 28, 13, 29, 14, 30, 15, 31, 44, 60, 45, 61, 46, 62, 47, 63};
	return (float8_table){_mm512_loadu_si512(order), v_e4m3_table()};
}

INLINE void v_float8(vf out[4], const u8 *p, int64_t n, float8_table t) {
	__m512i codes = n < 64 ? _mm512_maskz_loadu_epi8((1ull << n) - 1, p) : _mm512_loadu_si512(p), high, low;
	e4m3_bytes(&high, &low, _mm512_permutexvar_epi8(t.order, codes), t.values);
	v_halves(out, high, low);
}

#define KERNELS qk_avx512vnni
#include "product_body.h"

#ifdef __clang__
#pragma clang attribute pop
#endif
