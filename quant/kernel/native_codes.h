// Elements of 4 and 8 bits, and scales: e2m1, e4m3, e8m0. See native_body.h.

// round_code rounds q, the bits of a float from 0 to the largest value, to a float of mant mantissa
// bits whose smallest normal has exponent field low, and returns its code. Adding a power of two
// leaves the multiple of the last place, rounded to even, in the low bits: codes count those.
INLINE TARGET int32_t FN(round_code)(int32_t q, int mant, int32_t low) {
	int32_t exp = (q > low << 23 ? q : low << 23) & INF;
	int32_t add = exp + ((23 - mant) << 23);
	return FN(bits)(FN(value)(q) + FN(value)(add)) - add + (((exp >> 23) - low) << mant);
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
