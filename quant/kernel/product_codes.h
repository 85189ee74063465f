// Scales as float32, and rows decoded in the order of the kernels. See product_body.h.

enum {
	BLOCK = 32 * LANES, // elements that v_nibbles unpacks
	PANEL = 2 * VF,     // columns that are multiplied together
};

// The upper halves of e2m1's values and of 0 to 15, as bf16, high bytes and low bytes.
static const u8 e2m1_high[16] = {0, 0x3F, 0x3F, 0x3F, 0x40, 0x40, 0x40, 0x40, 0x80, 0xBF, 0xBF, 0xBF, 0xC0, 0xC0, 0xC0, 0xC0};
static const u8 e2m1_low[16] = {0, 0, 0x80, 0xC0, 0, 0x40, 0x80, 0xC0, 0, 0, 0x80, 0xC0, 0, 0x40, 0x80, 0xC0};
static const u8 int_high[16] = {0, 0x3F, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41};
static const u8 int_low[16] = {0, 0x80, 0, 0x40, 0x80, 0xA0, 0xC0, 0xE0, 0, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70};

INLINE vf v_float(const u8 *p, int type) {
	return type == BF16 ? v_bf16(p) : type == F16 ? v_f16(p) : v_load((const float *)p);
}

INLINE int is_nibbles(const struct qk_rows *r) {
	return r->layout == NVFP4 || r->layout == MXFP4 || (r->layout == AFFINE && r->bits == 4);
}

// How codes_dot and decode_codes read elements that lie in their natural order.
enum { WHOLE, FEW_BITS, FLOAT8 }; // bytes that are whole numbers; those of 2 to 6 bits; e4m3

INLINE int code_kind(const struct qk_rows *r) { return r->layout != AFFINE ? FLOAT8 : r->bits == 8 ? WHOLE : FEW_BITS; }

// bit_table_of says where whole numbers of so many bits lie among the bytes from the one on that vector v of
// them begins in: every second one may begin inside a byte.
static bit_table bit_table_of(int bits, int v) {
	u8 bytes[4 * VF];
	uint32_t shifts[VF];
	for (int j = 0; j < VF; j++) {
		int bit = v * VF * bits % 8 + j * bits, byte = bit / 8;
		bytes[4 * j] = byte;
		bytes[4 * j + 1] = byte + 1;
		bytes[4 * j + 2] = bytes[4 * j + 3] = 0x80; // none
		shifts[j] = bit % 8;
	}
	return v_bit_table(bytes, shifts, bits, v * VF * bits % 8);
}

// v_code is VF elements of a kind. FEW_BITS reads 16 bytes.
INLINE vf v_code(const u8 *p, int kind, bit_table t) {
	return kind == WHOLE ? v_u8(p) : kind == FLOAT8 ? v_e4m3(p) : v_bits(p, t);
}

// CODE_BYTES are what v_code reads at most of 32 elements, from their first byte on.
enum { CODE_BYTES = 6 * 4 + 16 };

// code_bytes are the bytes of the next 32 elements: a copy where v_code would read behind the end.
INLINE const u8 *code_bytes(const u8 *data, const u8 *end, int kind, int bits, u8 copy[CODE_BYTES]) {
	return kind == FEW_BITS && end - data < CODE_BYTES ? memcpy(copy, data, 4 * bits) : data;
}

INLINE int group_of(const struct qk_rows *r) { return r->layout == NVFP4 ? 16 : r->layout == AFFINE ? r->group : 32; }

// nibble_order is the element of a block that v_nibbles puts at place p.
INLINE int nibble_order(int p) {
	int v = p / VF, lane = p % VF / 4, j = p % 4;
	int byte = (v >> 1 & 1) * 8 + 2 * j + (v & 1);
	return lane * 32 + byte * 2 + (v >> 2);
}

// e8m0_scales are n powers of two, where 0 is 2^-127 and 255 NaN.
static void e8m0_scales(float *restrict dst, const u8 *restrict codes, int64_t n) {
	for (int64_t i = 0; i < n; i++) {
		uint32_t c = codes[i], u = c << 23 | (c == 0 || c == 255 ? 1u << 22 : 0);
		memcpy(dst + i, &u, 4);
	}
}

// e4m3_scales are n values of e4m3, NaN too.
static void e4m3_scales(float *restrict dst, const u8 *restrict codes, int64_t n) {
	int64_t i = 0;
	for (; i + VF <= n; i += VF)
		v_store(dst + i, v_e4m3_exact(codes + i));
	if (i == n)
		return;
	u8 last[VF] = {0};
	float end[VF];
	memcpy(last, codes + i, n - i);
	v_store(end, v_e4m3_exact(last));
	memcpy(dst + i, end, (n - i) * sizeof *dst);
}

// float_scales are n floats of a type.
static void float_scales(float *restrict dst, const u8 *restrict src, int type, int64_t n) {
	int64_t i = 0, size = type == F32 ? 4 : 2;
	for (; i + VF <= n; i += VF)
		v_store(dst + i, v_float(src + i * size, type));
	if (i == n)
		return;
	u8 last[4 * VF] = {0};
	float end[VF];
	memcpy(last, src + i * size, (n - i) * size);
	v_store(end, v_float(last, type));
	memcpy(dst + i, end, (n - i) * sizeof *dst);
}

// scales_of are the scales of n groups of row i, from group g on; zeros follow up to a whole block.
static void scales_of(float *dst, const struct qk_rows *r, int64_t i, int64_t g, int64_t n) {
	const u8 *s = r->scales + i * r->scale_size;
	if (r->layout == NVFP4)
		e4m3_scales(dst, s + g, n);
	else if (r->layout == AFFINE)
		float_scales(dst, s + g * (r->elem == F32 ? 4 : 2), r->elem, n);
	else
		e8m0_scales(dst, s + g, n);
	memset(dst + n, 0, BLOCK / 16 * sizeof *dst);
}

static void biases_of(float *dst, const struct qk_rows *r, int64_t i, int64_t g, int64_t n) {
	float_scales(dst, r->biases + i * r->scale_size + g * (r->elem == F32 ? 4 : 2), r->elem, n);
	memset(dst + n, 0, BLOCK / 16 * sizeof *dst);
}
