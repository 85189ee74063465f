// The kernels in plain C, in loops that gcc and clang turn into vector code. native.c includes this
// file once an instruction set: TARGET is the attribute that asks for it, FN names the functions.
// The definition is the Go code; each function here says the same without branches.

// ---- floats ----

INLINE TARGET uint32_t FN(bits)(float x) {
	uint32_t u;
	memcpy(&u, &x, 4);
	return u;
}

INLINE TARGET float FN(value)(uint32_t u) {
	float x;
	memcpy(&x, &u, 4);
	return x;
}

INLINE TARGET uint32_t FN(max)(uint32_t a, uint32_t b) { return a > b ? a : b; }

// widen_f16 is F16ToFloat; a subnormal becomes a float by conversion, not by arithmetic on
// subnormals, which is slow.
INLINE TARGET float FN(widen_f16)(uint32_t h) {
	uint32_t mag = h & 0x7FFF, sign = (h & 0x8000) << 16;
	uint32_t normal = (mag << 13) + ((127 - 15) << 23);
	uint32_t special = INF | mag << 13;
	uint32_t subnormal = FN(bits)((float)(int32_t)mag * 0x1p-24f);
	uint32_t u = mag >= 0x7C00 ? special : mag >= 0x0400 ? normal : subnormal;
	return FN(value)(sign | u);
}

TARGET static void FN(widen)(float *restrict dst, const u8 *restrict src, int from, size_t n) {
	if (from == BF16) {
		for (size_t i = 0; i < n; i++)
			dst[i] = FN(value)((uint32_t)((const any16 *)src)[i] << 16);
	} else if (from == F16) {
		for (size_t i = 0; i < n; i++)
			dst[i] = FN(widen_f16)(((const any16 *)src)[i]);
	} else {
		memcpy(dst, src, 4 * n);
	}
}

INLINE TARGET uint16_t FN(to_bf16)(float x) {
	uint32_t u = FN(bits)(x);
	uint32_t r = (u + 0x7FFF + (u >> 16 & 1)) >> 16;
	return (u & ABS) > INF ? NAN_BF16 : r;
}

INLINE TARGET uint16_t FN(to_f16)(float x) {
	uint32_t u = FN(bits)(x), abs = u & ABS;
	uint32_t normal = (abs - ((127 - 15) << 23) + 0xFFF + (abs >> 13 & 1)) >> 13;
	uint32_t small = FN(bits)(FN(value)(abs) + 0.5f) & 0xFFFF;
	uint32_t r = abs >= 0x477FF000 ? 0x7C00 : abs >= 0x38800000 ? normal : small;
	return abs > INF ? NAN_F16 : (u >> 16 & 0x8000) | r;
}

TARGET static void FN(narrow)(u8 *restrict dst, int to, const float *restrict src, size_t n) {
	if (to == BF16) {
		for (size_t i = 0; i < n; i++)
			((any16 *)dst)[i] = FN(to_bf16)(src[i]);
	} else if (to == F16) {
		for (size_t i = 0; i < n; i++)
			((any16 *)dst)[i] = FN(to_f16)(src[i]);
	} else {
		for (size_t i = 0; i < n; i++) {
			uint32_t u = FN(bits)(src[i]);
			((any32 *)dst)[i] = (u & ABS) > INF ? NAN_F32 : u;
		}
	}
}

// non_finite16 counts 16-bit elements whose exponent bits, given by the mask, are all set.
TARGET static size_t FN(non_finite16)(const any16 *src, uint16_t mask, size_t n) {
	size_t count = 0;
	for (size_t i = 0; i < n;) {
		uint16_t c = 0;
		size_t end = n - i > 32768 ? i + 32768 : n;
		for (; i < end; i++)
			c += (src[i] & mask) == mask;
		count += c;
	}
	return count;
}

TARGET static size_t FN(non_finite)(const u8 *src, int from, size_t n) {
	if (from != F32)
		return FN(non_finite16)((const any16 *)src, from == BF16 ? 0x7F80 : 0x7C00, n);
	size_t count = 0;
	for (size_t i = 0; i < n; i++)
		count += (((const any32 *)src)[i] & INF) == INF;
	return count;
}

// ---- elements and scales ----

// round_code rounds q, the bits of a float from 0 to the largest value, to a float of mant mantissa
// bits whose smallest normal has exponent field low, and returns its code. Adding a power of two
// leaves the multiple of the last place, rounded to even, in the low bits: codes count those.
INLINE TARGET int32_t FN(round_code)(int32_t q, int mant, int32_t low) {
	int32_t exp = (q > low << 23 ? q : low << 23) & INF;
	int32_t add = exp + ((23 - mant) << 23);
	return FN(bits)(FN(value)(q) + FN(value)(add)) - add + ((exp >> 23) - low << mant);
}

// to_e2m1 and to_e4m3 take the bits of a float without its sign; NaN is larger than all.
INLINE TARGET int32_t FN(to_e2m1)(int32_t q) { return FN(round_code)(q < 0x40C00000 ? q : 0x40C00000, 1, 127); }
INLINE TARGET int32_t FN(to_e4m3)(int32_t q) { return FN(round_code)(q < 0x43E00000 ? q : 0x43E00000, 3, 121); }

// from_e2m1 is the bits of a 4-bit code's value.
INLINE TARGET uint32_t FN(from_e2m1)(uint32_t code) {
	uint32_t mag = code & 7;
	uint32_t small = mag == 1 ? 0x3F000000 : 0; // 0.5, 0
	return (code & 8) << 28 | (mag < 2 ? small : (mag << 22) + (252u << 22));
}

INLINE TARGET float FN(from_e4m3)(uint32_t code) {
	uint32_t mag = code & 0x7F;
	uint32_t small = FN(bits)((float)(int32_t)mag * 0x1p-9f);
	uint32_t u = mag < 8 ? small : (mag << 20) + (120u << 23);
	return FN(value)((code & 0x80) << 24 | (mag == 0x7F ? NAN_F32 : u));
}

INLINE TARGET uint32_t FN(to_e8m0)(float s) {
	uint32_t u = FN(bits)(s);
	uint32_t code = (u >> 23) + ((u & 0x7FFFFF) != 0);
	return u >= INF ? 255 : code < 254 ? code : 254;
}

INLINE TARGET float FN(from_e8m0)(uint32_t code) {
	return FN(value)(code == 0 ? 0x00400000 : code == 255 ? NAN_F32 : code << 23);
}

// ---- float modes ----

// pairs holds a piece of elements widened, the even and the odd ones apart: a byte of codes is made
// of one of each.
struct FN(pairs) {
	float even[PIECE / 2], odd[PIECE / 2];
};

TARGET static void FN(widen_pairs)(struct FN(pairs) *restrict p, const u8 *restrict src, int from, size_t n) {
	if (from == F32) {
		for (size_t i = 0; i < n; i++) {
			p->even[i] = FN(value)(((const any32 *)src)[2 * i]);
			p->odd[i] = FN(value)(((const any32 *)src)[2 * i + 1]);
		}
		return;
	}
	for (size_t i = 0; i < n; i++) {
		uint32_t two = ((const any32 *)src)[i];
		p->even[i] = from == BF16 ? FN(value)(two << 16) : FN(widen_f16)(two & 0xFFFF);
		p->odd[i] = from == BF16 ? FN(value)(two & 0xFFFF0000) : FN(widen_f16)(two >> 16);
	}
}

// max_pairs finds the largest magnitude of each group, so that NaN is larger than infinity.
INLINE TARGET void FN(max_pairs)(float *restrict amax, const struct FN(pairs) *restrict p, size_t groups, size_t pairs) {
	int32_t m[PIECE / 2];
	for (size_t i = 0; i < groups * pairs; i++) {
		int32_t a = FN(bits)(p->even[i]) & ABS, b = FN(bits)(p->odd[i]) & ABS;
		m[i] = a > b ? a : b;
	}
	for (size_t g = 0; g < groups; g++) {
		int32_t top = 0;
		for (size_t j = 0; j < pairs; j++)
			top = m[g * pairs + j] > top ? m[g * pairs + j] : top;
		amax[g] = FN(value)(top);
	}
}

// code_e2m1 keeps the element's sign, but for a product that is NaN.
INLINE TARGET int32_t FN(code_e2m1)(float w, float inv) {
	uint32_t u = FN(bits)(w);
	int32_t q = FN(bits)(FN(value)(u & ABS) * inv) & ABS;
	return FN(to_e2m1)(q) | (q > (int32_t)INF ? 0 : u >> 28 & 8);
}

// pack_e2m1 multiplies each group by the reciprocal of its scale and packs two codes a byte.
INLINE TARGET void FN(pack_e2m1)(u8 *restrict codes, const struct FN(pairs) *restrict p, const float *restrict inv, size_t groups, size_t pairs) {
	int32_t c[PIECE / 2]; // full width: narrowing is a loop of its own
	for (size_t g = 0; g < groups; g++)
		for (size_t i = g * pairs; i < (g + 1) * pairs; i++)
			c[i] = FN(code_e2m1)(p->even[i], inv[g]) | FN(code_e2m1)(p->odd[i], inv[g]) << 4;
	for (size_t i = 0; i < groups * pairs; i++)
		codes[i] = c[i];
}

// sum_lanes and the loops over 8 lanes below add in the order of the definition.
INLINE TARGET float FN(sum_lanes)(const float s[8]) {
	return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

INLINE TARGET float FN(e2m1_error)(float x, float inv, float step) {
	float a = FN(value)(FN(bits)(x) & ABS);
	int32_t q = FN(bits)(a * inv) & ABS;
	q = q < 0x40C00000 ? q : 0x40C00000;
	float power = FN(value)(((q > 127 << 23 ? q : 127 << 23) & INF) + (22 << 23));
	return a - ((FN(value)(q) + power) - power) * step;
}

// e2m1_losses is the squared error of each group of a piece.
INLINE TARGET void FN(e2m1_losses)(float *restrict loss, const struct FN(pairs) *restrict p, const float *restrict inv, const float *restrict step, size_t groups, size_t pairs) {
	float sq[PIECE / 2];
	for (size_t g = 0; g < groups; g++)
		for (size_t i = g * pairs; i < (g + 1) * pairs; i++) {
			float a = FN(e2m1_error)(p->even[i], inv[g], step[g]);
			float b = FN(e2m1_error)(p->odd[i], inv[g], step[g]);
			sq[i] = a * a + b * b;
		}
	for (size_t g = 0; g < groups; g++) {
		float *s = sq + g * pairs;
		for (size_t i = 8; i < pairs; i++)
			s[i % 8] += s[i];
		loss[g] = FN(sum_lanes)(s);
	}
}

INLINE TARGET float FN(nvfp4_inverse)(int32_t code, float enc) { return code ? enc / FN(from_e4m3)(code) : 0; }

// try_e4m3 keeps the scale codes, delta from the plain ones, under which groups lose least.
INLINE TARGET void FN(try_e4m3)(u8 *restrict best, float *restrict least, const u8 *restrict plain, int32_t delta, const struct FN(pairs) *restrict p, size_t groups, float global) {
	float inv[PIECE / 16], step[PIECE / 16], loss[PIECE / 16], enc = 1 / global;
	int32_t code[PIECE / 16];
	for (size_t g = 0; g < groups; g++) {
		int32_t c = plain[g] + delta;
		code[g] = c < 1 || c > 0x7E ? plain[g] : c;
		inv[g] = FN(nvfp4_inverse)(code[g], enc);
		step[g] = FN(from_e4m3)(code[g]) * global;
	}
	FN(e2m1_losses)(loss, p, inv, step, groups, 8);
	for (size_t g = 0; g < groups; g++) {
		best[g] = loss[g] < least[g] ? code[g] : best[g];
		least[g] = loss[g] < least[g] ? loss[g] : least[g];
	}
}

// search_e4m3 tries scales around the plain ones. A loss that is no number is never the least.
TARGET static void FN(search_e4m3)(u8 *restrict scales, const struct FN(pairs) *restrict p, size_t groups, float global) {
	u8 plain[PIECE / 16];
	float least[PIECE / 16];
	memcpy(plain, scales, groups);
	for (size_t g = 0; g < groups; g++)
		least[g] = FN(value)(INF);
	FN(try_e4m3)(scales, least, plain, 0, p, groups, global);
	for (int32_t delta = -2; delta <= 6; delta++)
		FN(try_e4m3)(scales, least, plain, delta, p, groups, global);
}

TARGET static void FN(encode_nvfp4)(u8 *restrict codes, u8 *restrict scales, const u8 *restrict src, int from, size_t groups, float global, int search) {
	struct FN(pairs) p;
	float amax[PIECE / 16], inv[PIECE / 16], enc = 1 / global;
	size_t size = from == F32 ? 4 : 2;
	for (size_t n; groups; groups -= n, src += 16 * n * size, scales += n, codes += 8 * n) {
		n = groups < PIECE / 16 ? groups : PIECE / 16;
		FN(widen_pairs)(&p, src, from, 8 * n);
		FN(max_pairs)(amax, &p, n, 8);
		for (size_t g = 0; g < n; g++)
			scales[g] = FN(to_e4m3)(FN(bits)(amax[g] / 6 * enc) & ABS);
		if (search)
			FN(search_e4m3)(scales, &p, n, global);
		for (size_t g = 0; g < n; g++)
			inv[g] = FN(nvfp4_inverse)(scales[g], enc);
		FN(pack_e2m1)(codes, &p, inv, n, 8);
	}
}

// mx_scales gives each group the smallest power of two that is not under amax/top.
INLINE TARGET void FN(mx_scales)(u8 *restrict scales, const float *restrict amax, size_t groups, float top) {
	for (size_t g = 0; g < groups; g++)
		scales[g] = FN(to_e8m0)(amax[g] / top);
}

INLINE TARGET void FN(mx_inverse)(float *restrict inv, const u8 *restrict scales, size_t groups) {
	for (size_t g = 0; g < groups; g++)
		inv[g] = 1 / FN(from_e8m0)(scales[g]);
}

// search_e8m0 tries half the plain scales.
TARGET static void FN(search_e8m0)(u8 *restrict scales, const struct FN(pairs) *restrict p, size_t groups) {
	float inv[PIECE / 32], step[PIECE / 32], plain[PIECE / 32], half[PIECE / 32];
	u8 less[PIECE / 32];
	for (size_t g = 0; g < groups; g++) {
		less[g] = scales[g] == 0 || scales[g] == 255 ? scales[g] : scales[g] - 1;
		step[g] = FN(from_e8m0)(scales[g]);
	}
	FN(mx_inverse)(inv, scales, groups);
	FN(e2m1_losses)(plain, p, inv, step, groups, 16);
	for (size_t g = 0; g < groups; g++)
		step[g] = FN(from_e8m0)(less[g]);
	FN(mx_inverse)(inv, less, groups);
	FN(e2m1_losses)(half, p, inv, step, groups, 16);
	for (size_t g = 0; g < groups; g++)
		scales[g] = half[g] < plain[g] ? less[g] : scales[g];
}

TARGET static void FN(encode_mxfp4)(u8 *restrict codes, u8 *restrict scales, const u8 *restrict src, int from, size_t groups, int search) {
	struct FN(pairs) p;
	float amax[PIECE / 32], inv[PIECE / 32];
	size_t size = from == F32 ? 4 : 2;
	for (size_t n; groups; groups -= n, src += 32 * n * size, scales += n, codes += 16 * n) {
		n = groups < PIECE / 32 ? groups : PIECE / 32;
		FN(widen_pairs)(&p, src, from, 16 * n);
		FN(max_pairs)(amax, &p, n, 16);
		FN(mx_scales)(scales, amax, n, 6);
		if (search)
			FN(search_e8m0)(scales, &p, n);
		FN(mx_inverse)(inv, scales, n);
		FN(pack_e2m1)(codes, &p, inv, n, 16);
	}
}

TARGET static void FN(encode_mxfp8)(u8 *restrict codes, u8 *restrict scales, const u8 *restrict src, int from, size_t groups) {
	float w[PIECE], amax[PIECE / 32], inv[PIECE / 32];
	size_t size = from == F32 ? 4 : 2;
	for (size_t n; groups; groups -= n, src += 32 * n * size, scales += n, codes += 32 * n) {
		n = groups < PIECE / 32 ? groups : PIECE / 32;
		FN(widen)(w, src, from, 32 * n);
		for (size_t g = 0; g < n; g++) {
			int32_t top = 0;
			for (size_t j = 0; j < 32; j++) {
				int32_t u = FN(bits)(w[32 * g + j]) & ABS;
				top = u > top ? u : top;
			}
			amax[g] = FN(value)(top);
		}
		FN(mx_scales)(scales, amax, n, 448);
		FN(mx_inverse)(inv, scales, n);
		for (size_t g = 0; g < n; g++)
			for (size_t j = 0; j < 32; j++) {
				uint32_t u = FN(bits)(w[32 * g + j]);
				int32_t q = FN(bits)(FN(value)(u & ABS) * inv[g]) & ABS;
				codes[32 * g + j] = FN(to_e4m3)(q) | (u >> 24 & 0x80);
			}
	}
}

// unpack_nibbles spreads n codes, two a byte, over one byte each.
INLINE TARGET void FN(unpack_nibbles)(u8 *restrict dst, const u8 *restrict codes, size_t n) {
	for (size_t i = 0; i < n / 2; i++) {
		dst[2 * i] = codes[i] & 15;
		dst[2 * i + 1] = codes[i] >> 4;
	}
}

TARGET static void FN(decode_nvfp4)(float *restrict dst, const u8 *restrict codes, const u8 *restrict scales, size_t groups, float global) {
	u8 c[PIECE];
	for (size_t n; groups; groups -= n, dst += 16 * n, scales += n, codes += 8 * n) {
		n = groups < PIECE / 16 ? groups : PIECE / 16;
		FN(unpack_nibbles)(c, codes, 16 * n);
		for (size_t g = 0; g < n; g++) {
			float scale = FN(from_e4m3)(scales[g]);
			for (size_t j = 0; j < 16; j++)
				dst[16 * g + j] = FN(value)(FN(from_e2m1)(c[16 * g + j])) * scale * global;
		}
	}
}

TARGET static void FN(decode_mxfp4)(float *restrict dst, const u8 *restrict codes, const u8 *restrict scales, size_t groups) {
	u8 c[PIECE];
	for (size_t n; groups; groups -= n, dst += 32 * n, scales += n, codes += 16 * n) {
		n = groups < PIECE / 32 ? groups : PIECE / 32;
		FN(unpack_nibbles)(c, codes, 32 * n);
		for (size_t g = 0; g < n; g++) {
			float scale = FN(from_e8m0)(scales[g]);
			for (size_t j = 0; j < 32; j++)
				dst[32 * g + j] = FN(value)(FN(from_e2m1)(c[32 * g + j])) * scale;
		}
	}
}

TARGET static void FN(decode_e4m3)(float *restrict dst, const u8 *restrict codes, size_t n, float scale) {
	for (size_t i = 0; i < n; i++)
		dst[i] = FN(from_e4m3)(codes[i]) * scale;
}

TARGET static void FN(decode_mxfp8)(float *restrict dst, const u8 *restrict codes, const u8 *restrict scales, size_t groups) {
	for (size_t g = 0; g < groups; g++) {
		float scale = FN(from_e8m0)(scales[g]);
		for (size_t j = 0; j < 32; j++)
			dst[32 * g + j] = FN(from_e4m3)(codes[32 * g + j]) * scale;
	}
}

// ---- affine ----

// order_key maps floats, as bits, to integers of the same order, and back.
INLINE TARGET int32_t FN(order_key)(uint32_t u) { return (int32_t)u ^ ((int32_t)u >> 31 & 0x7FFFFFFF); }

// just_below_half plus x, cut to an integer, is x rounded with halves away from zero, for x from 0
// to 2^22: with a whole 0.5, 0.49999997 would become 1.
#define JUST_BELOW_HALF 0x1.fffffep-2f

// affine_scale fits scale and bias to the group's range.
INLINE TARGET void FN(affine_scale)(float *scale, float *bias, float lo, float hi, float top) {
	float s = (hi - lo) / top;
	s = s < 1e-7f ? 1e-7f : s;
	int from_lo = FN(value)(FN(bits)(lo) & ABS) > FN(value)(FN(bits)(hi) & ABS);
	float edge = from_lo ? lo : hi;
	s = from_lo ? s : -s;
	float t = FN(value)(FN(bits)(edge / s) & ABS) + JUST_BELOW_HALF;
	float q = (t + 0x1p23f) - 0x1p23f; // t to the nearest integer,
	q = q > t ? q - 1 : q;             // and down: |edge/s| rounded. edge/s is never positive.
	*bias = q == 0 ? 0 : edge;
	*scale = q == 0 ? s : edge / -q;
}

// affine_range finds the minimum, and the maximum or 0, of each group; NaN beyond infinity.
INLINE TARGET void FN(affine_range)(float *restrict lo, float *restrict hi, const float *restrict w, size_t groups, size_t group) {
	for (size_t g = 0; g < groups; g++) {
		int32_t l = INT32_MAX, h = 0;
		for (size_t j = 0; j < group; j++) {
			int32_t k = FN(order_key)(FN(bits)(w[g * group + j]));
			l = k < l ? k : l;
			h = k > h ? k : h;
		}
		lo[g] = FN(value)((uint32_t)FN(order_key)((uint32_t)l));
		hi[g] = FN(value)((uint32_t)h);
	}
}

// pack_bits packs codes, one a byte, 8 at a time into bits bytes, lowest first.
INLINE TARGET void FN(pack_bits)(u8 *restrict dst, const u8 *restrict c, size_t n, int bits) {
	for (size_t i = 0; i < n; i += 8, dst += bits) {
		uint64_t v = 0;
		for (int j = 0; j < 8; j++)
			v |= (uint64_t)c[i + j] << (bits * j);
		memcpy(dst, &v, bits);
	}
}

// pack writes codes, one a byte, as one stream of bits.
INLINE TARGET void FN(pack)(u8 *restrict dst, const u8 *restrict c, size_t n, int bits) {
	switch (bits) {
	case 2:
		for (size_t i = 0; i < n / 4; i++)
			dst[i] = c[4 * i] | c[4 * i + 1] << 2 | c[4 * i + 2] << 4 | c[4 * i + 3] << 6;
		return;
	case 4:
		for (size_t i = 0; i < n / 2; i++)
			dst[i] = c[2 * i] | c[2 * i + 1] << 4;
		return;
	case 3: FN(pack_bits)(dst, c, n, 3); return;
	case 5: FN(pack_bits)(dst, c, n, 5); return;
	case 6: FN(pack_bits)(dst, c, n, 6); return;
	case 8: memcpy(dst, c, n); return;
	}
}

// affine_code rounds v into 0..top.
INLINE TARGET int32_t FN(affine_code)(float v, float top) {
	v = v > 0 ? v : 0; // NaN too
	v = v < top ? v : top;
	return (int32_t)(v + JUST_BELOW_HALF);
}

// round_to is x as a scale of that type holds it.
INLINE TARGET float FN(round_to)(float x, int type) {
	if (type == F32)
		return x;
	return type == F16 ? FN(widen_f16)(FN(to_f16)(x)) : FN(value)((uint32_t)FN(to_bf16)(x) << 16);
}

// affine_loss is the squared error of codes picked with s and b, decoded with ds and db.
TARGET static float FN(affine_loss)(const float *w, size_t group, float s, float b, float ds, float db, float top) {
	float sum[8] = {0};
	for (size_t i = 0; i < group; i += 8)
		for (size_t j = 0; j < 8; j++) {
			float x = w[i + j];
			float d = ((float)FN(affine_code)((x - b) / s, top) * ds + db) - x;
			sum[j] += d * d;
		}
	return FN(sum_lanes)(sum);
}

// search_affine tries smaller scales, and codes picked for scale and bias as stored.
TARGET static void FN(search_affine)(float *scale, float *bias, const float *w, size_t group, float top, int type) {
	static const float shrink[] = {64, 62, 60, 58, 56, 54, 52, 48, 44}; // 64ths
	float plain = FN(round_to)(*scale, type), stored = FN(round_to)(*bias, type);
	float least = FN(affine_loss)(w, group, *scale, *bias, plain, stored, top);
	for (size_t k = 0; k < sizeof shrink / sizeof *shrink; k++) {
		float s = FN(round_to)(plain * (shrink[k] / 64), type);
		float loss = FN(affine_loss)(w, group, s, stored, s, stored, top);
		if (loss < least) {
			*scale = s;
			*bias = stored;
			least = loss;
		}
	}
}

TARGET static void FN(encode_affine)(u8 *restrict codes, u8 *restrict scales, u8 *restrict biases, const u8 *restrict src, int from, int scale, int bits, int group, size_t groups, int search) {
	float w[PIECE], lo[PIECE / 32], hi[PIECE / 32], s[PIECE / 32], b[PIECE / 32];
	u8 c[PIECE];
	size_t in = from == F32 ? 4 : 2, out = scale == F32 ? 4 : 2;
	float top = (float)((1 << bits) - 1);
	for (size_t n; groups; groups -= n) {
		n = groups < (size_t)(PIECE / group) ? groups : (size_t)(PIECE / group);
		FN(widen)(w, src, from, n * group);
		FN(affine_range)(lo, hi, w, n, group);
		for (size_t g = 0; g < n; g++)
			FN(affine_scale)(&s[g], &b[g], lo[g], hi[g], top);
		for (size_t g = 0; search && g < n; g++)
			FN(search_affine)(&s[g], &b[g], w + g * group, group, top, scale);
		for (size_t g = 0; g < n; g++)
			for (size_t j = 0; j < (size_t)group; j++)
				c[g * group + j] = FN(affine_code)((w[g * group + j] - b[g]) / s[g], top);
		FN(pack)(codes, c, n * group, bits);
		FN(narrow)(scales, scale, s, n);
		FN(narrow)(biases, scale, b, n);
		src += n * group * in, codes += n * group * bits / 8, scales += n * out, biases += n * out;
	}
}

INLINE TARGET void FN(unpack_bits)(u8 *restrict dst, const u8 *restrict codes, size_t n, int bits) {
	for (size_t i = 0; i < n; i += 8, codes += bits) {
		uint64_t v = 0;
		memcpy(&v, codes, bits);
		for (int j = 0; j < 8; j++)
			dst[i + j] = v >> (bits * j) & ((1 << bits) - 1);
	}
}

INLINE TARGET void FN(unpack)(u8 *restrict dst, const u8 *restrict codes, size_t n, int bits) {
	switch (bits) {
	case 2:
		for (size_t i = 0; i < n / 4; i++)
			for (int j = 0; j < 4; j++)
				dst[4 * i + j] = codes[i] >> 2 * j & 3;
		return;
	case 3: FN(unpack_bits)(dst, codes, n, 3); return;
	case 4: FN(unpack_nibbles)(dst, codes, n); return;
	case 5: FN(unpack_bits)(dst, codes, n, 5); return;
	case 6: FN(unpack_bits)(dst, codes, n, 6); return;
	case 8: memcpy(dst, codes, n); return;
	}
}

TARGET static void FN(decode_affine)(float *restrict dst, const u8 *restrict codes, const u8 *restrict scales, const u8 *restrict biases, int scale, int bits, int group, size_t groups) {
	float s[PIECE / 32], b[PIECE / 32];
	u8 c[PIECE];
	size_t size = scale == F32 ? 4 : 2;
	for (size_t n; groups; groups -= n) {
		n = groups < (size_t)(PIECE / group) ? groups : (size_t)(PIECE / group);
		FN(widen)(s, scales, scale, n);
		FN(widen)(b, biases, scale, n);
		FN(unpack)(c, codes, n * group, bits);
		for (size_t g = 0; g < n; g++)
			for (size_t j = 0; j < (size_t)group; j++)
				dst[g * group + j] = (float)c[g * group + j] * s[g] + b[g];
		dst += n * group, codes += n * group * bits / 8, scales += n * size, biases += n * size;
	}
}
