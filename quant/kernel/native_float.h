// bf16, f16, f32: widening, rounding, counting what is not finite. See native_body.h.

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
