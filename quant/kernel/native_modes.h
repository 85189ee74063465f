// nvfp4, mxfp4 and mxfp8. See native_body.h.

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

// weigh_pairs takes the weights of the n columns from at on, and from the first again after the last.
TARGET static const struct FN(pairs) *FN(weigh_pairs)(struct FN(pairs) *h, const float *weights, size_t columns, size_t *at, size_t n) {
	if (!columns)
		return NULL;
	for (size_t i = 0; i < n / 2; i++) {
		h->even[i] = weights[*at];
		h->odd[i] = weights[*at + 1];
		*at = *at + 2 == columns ? 0 : *at + 2;
	}
	return h;
}

// e2m1_losses is the squared error of each group of a piece, under the weights h if there are some.
INLINE TARGET void FN(e2m1_losses)(float *restrict loss, const struct FN(pairs) *restrict p, const struct FN(pairs) *h, const float *restrict inv, const float *restrict step, size_t groups, size_t pairs) {
	float sq[PIECE / 2];
	for (size_t g = 0; g < groups; g++)
		for (size_t i = g * pairs; i < (g + 1) * pairs; i++) {
			float a = FN(e2m1_error)(p->even[i], inv[g], step[g]);
			float b = FN(e2m1_error)(p->odd[i], inv[g], step[g]);
			sq[i] = h ? a * a * h->even[i] + b * b * h->odd[i] : a * a + b * b;
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
INLINE TARGET void FN(try_e4m3)(u8 *restrict best, float *restrict least, const u8 *restrict plain, int32_t delta, const struct FN(pairs) *restrict p, const struct FN(pairs) *h, size_t groups, float global) {
	float inv[PIECE / 16], step[PIECE / 16], loss[PIECE / 16], enc = 1 / global;
	int32_t code[PIECE / 16];
	for (size_t g = 0; g < groups; g++) {
		int32_t c = plain[g] + delta;
		code[g] = c < 1 || c > 0x7E ? plain[g] : c;
		inv[g] = FN(nvfp4_inverse)(code[g], enc);
		step[g] = FN(from_e4m3)(code[g]) * global;
	}
	FN(e2m1_losses)(loss, p, h, inv, step, groups, 8);
	for (size_t g = 0; g < groups; g++) {
		best[g] = loss[g] < least[g] ? code[g] : best[g];
		least[g] = loss[g] < least[g] ? loss[g] : least[g];
	}
}

// search_e4m3 tries scales around the plain ones. A loss that is no number is never the least.
TARGET static void FN(search_e4m3)(u8 *restrict scales, const struct FN(pairs) *restrict p, const struct FN(pairs) *h, size_t groups, float global) {
	u8 plain[PIECE / 16];
	float least[PIECE / 16];
	memcpy(plain, scales, groups);
	for (size_t g = 0; g < groups; g++)
		least[g] = FN(value)(INF);
	FN(try_e4m3)(scales, least, plain, 0, p, h, groups, global);
	for (int32_t delta = -2; delta <= 6; delta++)
		FN(try_e4m3)(scales, least, plain, delta, p, h, groups, global);
}

TARGET static void FN(encode_nvfp4)(u8 *restrict codes, u8 *restrict scales, const u8 *restrict src, int from, size_t groups, float global, int search, const float *weights, size_t columns) {
	struct FN(pairs) p, h;
	size_t at = 0;
	float amax[PIECE / 16], inv[PIECE / 16], enc = 1 / global;
	size_t size = from == F32 ? 4 : 2;
	for (size_t n; groups; groups -= n, src += 16 * n * size, scales += n, codes += 8 * n) {
		n = groups < PIECE / 16 ? groups : PIECE / 16;
		FN(widen_pairs)(&p, src, from, 8 * n);
		FN(max_pairs)(amax, &p, n, 8);
		for (size_t g = 0; g < n; g++)
			scales[g] = FN(to_e4m3)(FN(bits)(amax[g] / 6 * enc) & ABS);
		if (search)
			FN(search_e4m3)(scales, &p, FN(weigh_pairs)(&h, weights, columns, &at, 16 * n), n, global);
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
TARGET static void FN(search_e8m0)(u8 *restrict scales, const struct FN(pairs) *restrict p, const struct FN(pairs) *h, size_t groups) {
	float inv[PIECE / 32], step[PIECE / 32], plain[PIECE / 32], half[PIECE / 32];
	u8 less[PIECE / 32];
	for (size_t g = 0; g < groups; g++) {
		less[g] = scales[g] == 0 || scales[g] == 255 ? scales[g] : scales[g] - 1;
		step[g] = FN(from_e8m0)(scales[g]);
	}
	FN(mx_inverse)(inv, scales, groups);
	FN(e2m1_losses)(plain, p, h, inv, step, groups, 16);
	for (size_t g = 0; g < groups; g++)
		step[g] = FN(from_e8m0)(less[g]);
	FN(mx_inverse)(inv, less, groups);
	FN(e2m1_losses)(half, p, h, inv, step, groups, 16);
	for (size_t g = 0; g < groups; g++)
		scales[g] = half[g] < plain[g] ? less[g] : scales[g];
}

TARGET static void FN(encode_mxfp4)(u8 *restrict codes, u8 *restrict scales, const u8 *restrict src, int from, size_t groups, int search, const float *weights, size_t columns) {
	struct FN(pairs) p, h;
	size_t at = 0;
	float amax[PIECE / 32], inv[PIECE / 32];
	size_t size = from == F32 ? 4 : 2;
	for (size_t n; groups; groups -= n, src += 32 * n * size, scales += n, codes += 16 * n) {
		n = groups < PIECE / 32 ? groups : PIECE / 32;
		FN(widen_pairs)(&p, src, from, 16 * n);
		FN(max_pairs)(amax, &p, n, 16);
		FN(mx_scales)(scales, amax, n, 6);
		if (search)
			FN(search_e8m0)(scales, &p, FN(weigh_pairs)(&h, weights, columns, &at, 32 * n), n);
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

// unpack_e2m1 writes the values of n codes, two a byte.
INLINE TARGET void FN(unpack_e2m1)(float *restrict dst, const u8 *restrict codes, size_t n) {
	u8 c[PIECE];
	FN(unpack_nibbles)(c, codes, n);
	for (size_t i = 0; i < n; i++)
		dst[i] = FN(value)(FN(from_e2m1)(c[i]));
}

TARGET static void FN(decode_nvfp4)(float *restrict dst, const u8 *restrict codes, const u8 *restrict scales, size_t groups, float global) {
	for (size_t n; groups; groups -= n, dst += 16 * n, scales += n, codes += 8 * n) {
		n = groups < PIECE / 16 ? groups : PIECE / 16;
		FN(unpack_e2m1)(dst, codes, 16 * n);
		for (size_t g = 0; g < n; g++) {
			float scale = FN(from_e4m3)(scales[g]);
			for (size_t i = 16 * g; i < 16 * (g + 1); i++)
				dst[i] = dst[i] * scale * global;
		}
	}
}

TARGET static void FN(decode_mxfp4)(float *restrict dst, const u8 *restrict codes, const u8 *restrict scales, size_t groups) {
	for (size_t n; groups; groups -= n, dst += 32 * n, scales += n, codes += 16 * n) {
		n = groups < PIECE / 32 ? groups : PIECE / 32;
		FN(unpack_e2m1)(dst, codes, 32 * n);
		for (size_t g = 0; g < n; g++) {
			float scale = FN(from_e8m0)(scales[g]);
			for (size_t i = 32 * g; i < 32 * (g + 1); i++)
				dst[i] *= scale;
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
