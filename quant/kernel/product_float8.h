// One column of e4m3, for an instruction set that looks values up in tables: each 32 elements are
// multiplied before their scale. See product_body.h.
#ifdef HAS_FLOAT8
enum { FLOAT8_BLOCK = 64 };

// float8_scales are the scales of each 32 of n elements of row i, from element `from` on; zeros follow up to a
// whole block. Those of the row that is `next` rows further on are asked for.
INLINE void float8_scales(float *dst, const struct qk_rows *r, int64_t i, int64_t from, int64_t n, int64_t next) {
	if (r->layout == MXFP8) {
		ahead_of_scales(r->scales + (i + next) * r->scale_size + from / 32, n / 32);
		scales_of(dst, r, i, from / 32, n / 32);
		return;
	}
	const u8 *s = r->scales + (r->first + i) / r->height * r->scale_size;
	int64_t size = r->elem == F32 ? 4 : 2;
	for (int64_t to = from + n; from < to;) {
		int64_t block = from / r->wide, end = (block + 1) * r->wide < to ? (block + 1) * r->wide : to;
		float scale;
		float_scales(&scale, s + block * size, r->elem, 1);
		for (; from < end; from += 32)
			*dst++ = scale;
	}
	memset(dst, 0, BLOCK / 16 * sizeof *dst);
}

// float8_block adds the products of a block, of which n elements are there, to sum.
INLINE void float8_block(vf sum[2], const u8 *data, int64_t n, const float scales[2], const float *x, float8_table t) {
	vf w[4];
	v_float8(w, data, n, t);
	sum[0] = v_fma(v_fma(w[1], v_load(x + VF), v_mul(w[0], v_load(x))), v_set(scales[0]), sum[0]);
	sum[1] = v_fma(v_fma(w[3], v_load(x + 3 * VF), v_mul(w[2], v_load(x + 2 * VF))), v_set(scales[1]), sum[1]);
}

// float8_dot multiplies elements [from, to) of row i. Rows one by one are read from memory faster than four at a
// time, though those share the x.
static float float8_dot(const struct segment *s, const struct qk_rows *r, int64_t i, int64_t from, int64_t to) {
	float scales[SPAN / 32 + BLOCK / 16];
	const u8 *data = r->data + i * r->data_size + from;
	const float *x = s->packed[NATURAL] + from, *scale = scales;
	int64_t n = to - from;
	float8_table t = v_float8_table();
	vf sum[2] = {v_zero(), v_zero()};
	float8_scales(scales, r, i, from, n, rows_ahead(r->data_size, 1));
	for (; n >= FLOAT8_BLOCK; n -= FLOAT8_BLOCK, data += FLOAT8_BLOCK, x += FLOAT8_BLOCK, scale += FLOAT8_BLOCK / 32) {
		ahead(data);
		float8_block(sum, data, FLOAT8_BLOCK, scale, x, t);
	}
	if (n > 0)
		float8_block(sum, data, n, scale, x, t);
	return v_sum(v_add(sum[0], sum[1]));
}

// is_float8 says whether float8_dot multiplies rows: their scales are those of whole groups of 32.
INLINE int is_float8(const struct qk_rows *r, int64_t in) {
	return r->layout == MXFP8 || (r->layout == E4M3 && r->wide % 32 == 0 && in % 32 == 0);
}

#else
INLINE int is_float8(const struct qk_rows *r, int64_t in) {
	(void)r, (void)in;
	return 0;
}
static float float8_dot(const struct segment *s, const struct qk_rows *r, int64_t i, int64_t from, int64_t to) {
	(void)s, (void)r, (void)i, (void)from, (void)to;
	return 0;
}
#endif
