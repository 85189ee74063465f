//go:build cgo && amd64 && !windows

// What every x86-64 CPU has: SSE2, without fused products.

#include "vector_sse2.h"
#include "product_call.h"

enum { LANES = 1, MR = 4, ISA = BASE };

INLINE vf v_bf16(const u8 *p) {
	return _mm_castsi128_ps(_mm_unpacklo_epi16(_mm_setzero_si128(), _mm_loadl_epi64((const __m128i *)p)));
}

// v_half_bits is 4 floats of which u has sign, exponent and mantissa where f16 has them, times 2^-112: f16
// without infinities and NaN, exactly.
INLINE vf v_half_bits(__m128i u) {
	__m128i sign = _mm_slli_epi32(_mm_srli_epi32(u, 15), 31);
	__m128i rest = _mm_slli_epi32(_mm_and_si128(u, _mm_set1_epi32(0x7FFF)), 13);
	return _mm_castsi128_ps(_mm_or_si128(sign, rest));
}

INLINE vf v_f16(const u8 *p) {
	__m128i u = _mm_unpacklo_epi16(_mm_loadl_epi64((const __m128i *)p), _mm_setzero_si128());
	__m128i special = _mm_cmpgt_epi32(_mm_and_si128(u, _mm_set1_epi32(0x7FFF)), _mm_set1_epi32(0x7BFF));
	vf x = _mm_mul_ps(v_half_bits(u), _mm_set1_ps(0x1p112f));
	return _mm_or_ps(x, _mm_castsi128_ps(_mm_and_si128(special, _mm_set1_epi32(0x7F800000))));
}

INLINE __m128i v_bytes(const u8 *p) {
	int bytes;
	__builtin_memcpy(&bytes, p, 4);
	__m128i zero = _mm_setzero_si128();
	return _mm_unpacklo_epi16(_mm_unpacklo_epi8(_mm_cvtsi32_si128(bytes), zero), zero);
}

INLINE vf v_u8(const u8 *p) { return _mm_cvtepi32_ps(v_bytes(p)); }

// v_e4m3 is VF e4m3 codes divided by 256: their bits are those of f16 with another exponent bias. NaN
// codes become numbers: see v_has_nan.
INLINE vf v_e4m3(const u8 *p) {
	__m128i c = v_bytes(p);
	__m128i sign = _mm_slli_epi32(_mm_srli_epi32(c, 7), 15);
	__m128i rest = _mm_slli_epi32(_mm_and_si128(c, _mm_set1_epi32(0x7F)), 7);
	return _mm_mul_ps(v_half_bits(_mm_or_si128(sign, rest)), _mm_set1_ps(0x1p112f));
}

INLINE vf v_e4m3_exact(const u8 *p) {
	__m128i nan = _mm_cmpeq_epi32(_mm_and_si128(v_bytes(p), _mm_set1_epi32(0x7F)), _mm_set1_epi32(0x7F));
	return _mm_or_ps(_mm_mul_ps(v_e4m3(p), _mm_set1_ps(256)), _mm_castsi128_ps(nan));
}

INLINE int v_has_nan(const u8 *p) {
	__m128i c = _mm_set1_epi8(0x7F);
	__m128i a = _mm_cmpeq_epi8(_mm_and_si128(_mm_loadu_si128((const __m128i *)p), c), c);
	__m128i b = _mm_cmpeq_epi8(_mm_and_si128(_mm_loadu_si128((const __m128i *)(p + 16)), c), c);
	return _mm_movemask_epi8(_mm_or_si128(a, b));
}

typedef struct { int bits, begin; } bit_table;

INLINE bit_table v_bit_table(const u8 *bytes, const uint32_t *shifts, int bits, int begin) {
	(void)bytes, (void)shifts;
	return (bit_table){bits, begin};
}

INLINE vf v_bits(const u8 *p, bit_table t) {
	uint32_t v;
	__builtin_memcpy(&v, p, 4);
	v >>= t.begin;
	uint32_t mask = (1u << t.bits) - 1;
	return _mm_cvtepi32_ps(_mm_setr_epi32(v & mask, v >> t.bits & mask, v >> 2 * t.bits & mask, v >> 3 * t.bits & mask));
}

// There is no shuffle of bytes: the tables are read one by one.
typedef struct { const u8 *high, *low; } nibble_table;

INLINE nibble_table v_table(const u8 high[16], const u8 low[16]) { return (nibble_table){high, low}; }

INLINE void v_nibbles(vf out[8], const u8 *p, nibble_table t) {
	uint32_t bits[8][4];
	for (int v = 0; v < 8; v++)
		for (int j = 0; j < 4; j++) {
			int code = p[(v >> 1 & 1) * 8 + 2 * j + (v & 1)] >> (v >> 2) * 4 & 15;
			bits[v][j] = (uint32_t)t.high[code] << 24 | (uint32_t)t.low[code] << 16;
		}
	for (int v = 0; v < 8; v++)
		out[v] = _mm_loadu_ps((const float *)bits[v]);
}

// v_scales are the scales of block b: a for the first half of its 16 bytes, b for the other.
INLINE void v_scales(vf *a, vf *b, const float *s, int64_t block, int group) {
	*a = v_set(s[block * 32 / group]);
	*b = group == 16 ? v_set(s[block * 2 + 1]) : *a;
}

#define KERNELS qk_base
#include "product_body.h"
