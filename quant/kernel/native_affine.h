// Affine, 2 to 8 bits. See native_body.h.

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

// affine_loss is the squared error of codes picked with s and b, decoded with ds and db, under the
// weights h if there are some.
TARGET static float FN(affine_loss)(const float *w, const float *h, size_t group, float s, float b, float ds, float db, float top) {
	float sum[8] = {0};
	for (size_t i = 0; i < group; i += 8)
		for (size_t j = 0; j < 8; j++) {
			float x = w[i + j];
			float d = ((float)FN(affine_code)((x - b) / s, top) * ds + db) - x;
			sum[j] += h ? d * d * h[i + j] : d * d;
		}
	return FN(sum_lanes)(sum);
}

// search_affine tries smaller scales, and codes picked for scale and bias as stored.
TARGET static void FN(search_affine)(float *scale, float *bias, const float *w, const float *h, size_t group, float top, int type) {
	static const float shrink[] = {64, 62, 60, 58, 56, 54, 52, 48, 44}; // 64ths
	float plain = FN(round_to)(*scale, type), stored = FN(round_to)(*bias, type);
	float least = FN(affine_loss)(w, h, group, *scale, *bias, plain, stored, top);
	for (size_t k = 0; k < sizeof shrink / sizeof *shrink; k++) {
		float s = FN(round_to)(plain * (shrink[k] / 64), type);
		float loss = FN(affine_loss)(w, h, group, s, stored, s, stored, top);
		if (loss < least) {
			*scale = s;
			*bias = stored;
			least = loss;
		}
	}
}

TARGET static void FN(encode_affine)(u8 *restrict codes, u8 *restrict scales, u8 *restrict biases, const u8 *restrict src, int from, int scale, int bits, int group, size_t groups, int search, const float *weights, size_t columns) {
	size_t at = 0;
	float h[PIECE], w[PIECE], lo[PIECE / 32], hi[PIECE / 32], s[PIECE / 32], b[PIECE / 32];
	u8 c[PIECE];
	size_t in = from == F32 ? 4 : 2, out = scale == F32 ? 4 : 2;
	float top = (float)((1 << bits) - 1);
	for (size_t n; groups; groups -= n) {
		n = groups < (size_t)(PIECE / group) ? groups : (size_t)(PIECE / group);
		FN(widen)(w, src, from, n * group);
		FN(affine_range)(lo, hi, w, n, group);
		for (size_t g = 0; g < n; g++)
			FN(affine_scale)(&s[g], &b[g], lo[g], hi[g], top);
		for (size_t i = 0; search && columns && i < n * group; i++) {
			h[i] = weights[at];
			at = at + 1 == columns ? 0 : at + 1;
		}
		for (size_t g = 0; search && g < n; g++)
			FN(search_affine)(&s[g], &b[g], w + g * group, columns ? h + g * group : NULL, group, top, scale);
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
