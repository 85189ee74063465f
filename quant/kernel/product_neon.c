//go:build cgo && arm64 && !windows

#include "vector_neon.h"
#include "product_call.h"

enum { LANES = 1, MR = 8, ISA = BASE };

// v_words and v_bytes load VF elements from any address.
INLINE uint16x4_t v_words(const u8 *p) { return vreinterpret_u16_u8(vld1_u8(p)); }
INLINE uint16x4_t v_bytes(const u8 *p) {
	uint32_t u;
	__builtin_memcpy(&u, p, 4);
	return vget_low_u16(vmovl_u8(vcreate_u8(u)));
}

INLINE vf v_bf16(const u8 *p) { return vreinterpretq_f32_u32(vshll_n_u16(v_words(p), 16)); }
INLINE vf v_f16(const u8 *p) { return vcvt_f32_f16(vreinterpret_f16_u16(v_words(p))); }
INLINE vf v_u8(const u8 *p) { return vcvtq_f32_u32(vmovl_u16(v_bytes(p))); }

// v_e4m3 is VF e4m3 codes divided by 256: their bits are those of f16 with another exponent bias. NaN
// codes become numbers: see v_has_nan.
INLINE vf v_e4m3(const u8 *p) {
	uint16x4_t c = v_bytes(p);
	uint16x4_t sign = vshl_n_u16(vand_u16(c, vdup_n_u16(0x80)), 8), rest = vshl_n_u16(vand_u16(c, vdup_n_u16(0x7F)), 7);
	return vcvt_f32_f16(vreinterpret_f16_u16(vorr_u16(sign, rest)));
}

INLINE vf v_e4m3_exact(const u8 *p) {
	uint32x4_t c = vandq_u32(vmovl_u16(v_bytes(p)), vdupq_n_u32(0x7F));
	uint32x4_t nan = vceqq_u32(c, vdupq_n_u32(0x7F));
	return vreinterpretq_f32_u32(vorrq_u32(vreinterpretq_u32_f32(vmulq_n_f32(v_e4m3(p), 256)), nan));
}

INLINE int v_has_nan(const u8 *p) {
	uint8x16_t c = vdupq_n_u8(0x7F);
	uint8x16_t a = vceqq_u8(vandq_u8(vld1q_u8(p), c), c), b = vceqq_u8(vandq_u8(vld1q_u8(p + 16), c), c);
	return vmaxvq_u8(vorrq_u8(a, b)) != 0;
}

typedef struct { uint8x16_t bytes; int32x4_t shifts; uint32x4_t mask; } bit_table;

INLINE bit_table v_bit_table(const u8 *bytes, const uint32_t *shifts, int bits, int begin) {
	(void)begin;
	return (bit_table){vld1q_u8(bytes), vnegq_s32(vreinterpretq_s32_u32(vld1q_u32(shifts))), vdupq_n_u32((1 << bits) - 1)};
}

INLINE vf v_bits(const u8 *p, bit_table t) {
	uint32x4_t v = vreinterpretq_u32_u8(vqtbl1q_u8(vld1q_u8(p), t.bytes));
	return vcvtq_f32_u32(vandq_u32(vshlq_u32(v, t.shifts), t.mask));
}

typedef struct { uint8x16_t high, low; } nibble_table;

INLINE nibble_table v_table(const u8 high[16], const u8 low[16]) { return (nibble_table){vld1q_u8(high), vld1q_u8(low)}; }

INLINE void v_half(vf out[4], uint8x16_t code, nibble_table t) {
	uint8x16_t high = vqtbl1q_u8(t.high, code), low = vqtbl1q_u8(t.low, code);
	uint32x4_t a = vreinterpretq_u32_u8(vzip1q_u8(low, high)), b = vreinterpretq_u32_u8(vzip2q_u8(low, high));
	uint32x4_t upper = vdupq_n_u32(0xFFFF0000);
	out[0] = vreinterpretq_f32_u32(vshlq_n_u32(a, 16));
	out[1] = vreinterpretq_f32_u32(vandq_u32(a, upper));
	out[2] = vreinterpretq_f32_u32(vshlq_n_u32(b, 16));
	out[3] = vreinterpretq_f32_u32(vandq_u32(b, upper));
}

INLINE void v_nibbles(vf out[8], const u8 *p, nibble_table t) {
	uint8x16_t v = vld1q_u8(p);
	v_half(out, vandq_u8(v, vdupq_n_u8(15)), t);
	v_half(out + 4, vshrq_n_u8(v, 4), t);
}

// v_scales are the scales of block b: a for the first half of its 16 bytes, b for the other.
INLINE void v_scales(vf *a, vf *b, const float *s, int64_t block, int group) {
	*a = v_set(s[block * 32 / group]);
	*b = group == 16 ? v_set(s[block * 2 + 1]) : *a;
}

#define KERNELS qk_base
#include "product_body.h"
