// One column of e4m3, for an instruction set that looks values up in tables: a few rows are multiplied with the
// same x, and the sums over each 32 elements with their scale. See product_body.h.
#ifdef HAS_FLOAT8
enum { FLOAT8_BLOCK = 64 };

// float8_scales are the scales of each 32 of n elements of row i, from element `from` on; zeros follow up to a
// whole block.
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

// float8_block adds the products of a block of rows, data_size bytes apart, of which n elements are there.
INLINE void float8_block(vf sum[][2], const u8 *data, int64_t data_size, int64_t n, float scales[][SPAN / 32 + BLOCK / 16], int64_t k, const float *x, float8_table t, int rows) {
	vf v[4] = {v_load(x), v_load(x + VF), v_load(x + 2 * VF), v_load(x + 3 * VF)};
#pragma GCC unroll 4
	for (int i = 0; i < rows; i++) {
		vf w[4];
		v_float8(w, data + i * data_size, n, t);
		sum[i][0] = v_fma(v_fma(w[1], v[1], v_mul(w[0], v[0])), v_set(scales[i][2 * k]), sum[i][0]);
		sum[i][1] = v_fma(v_fma(w[3], v[3], v_mul(w[2], v[2])), v_set(scales[i][2 * k + 1]), sum[i][1]);
	}
}

// float8_piece adds the products of elements [from, to) of rows from i on to y.
INLINE void float8_piece(float *y, const struct segment *s, const struct qk_rows *r, int64_t i, int64_t from, int64_t to, int rows) {
	float scales[DIGIT_ROWS][SPAN / 32 + BLOCK / 16];
	const u8 *data = r->data + i * r->data_size + from;
	const float *x = s->packed[NATURAL] + from;
	int64_t n = to - from, k = 0, next = rows_ahead(r->data_size, rows);
	float8_table t = v_float8_table();
	vf sum[DIGIT_ROWS][2], column[DIGIT_ROWS];
	float sums[DIGIT_ROWS];
#pragma GCC unroll 4
	for (int o = 0; o < DIGIT_ROWS; o++)
		sum[o][0] = sum[o][1] = v_zero();
	for (int o = 0; o < rows; o++)
		float8_scales(scales[o], r, i + o, from, n, next);
	for (; n >= FLOAT8_BLOCK; n -= FLOAT8_BLOCK, k++, data += FLOAT8_BLOCK) {
#pragma GCC unroll 4
		for (int o = 0; o < rows; o++)
			__builtin_prefetch(data + (o + next) * r->data_size);
		float8_block(sum, data, r->data_size, FLOAT8_BLOCK, scales, k, x + k * FLOAT8_BLOCK, t, rows);
	}
	if (n > 0)
		float8_block(sum, data, r->data_size, n, scales, k, x + k * FLOAT8_BLOCK, t, rows);
#pragma GCC unroll 4
	for (int o = 0; o < DIGIT_ROWS; o++)
		column[o] = v_add(sum[o][0], sum[o][1]);
	v_row_sums(sums, column);
	for (int o = 0; o < rows; o++)
		y[o] += sums[o];
}

static __attribute__((noinline)) void float8_row(float *y, const struct segment *s, const struct qk_rows *r, int64_t i, int64_t from, int64_t to) {
	float8_piece(y, s, r, i, from, to, 1);
}

static __attribute__((noinline)) void float8_few(float *y, const struct segment *s, const struct qk_rows *r, int64_t i, int64_t from, int64_t to) {
	float8_piece(y, s, r, i, from, to, DIGIT_ROWS);
}

// is_float8 says whether float8_rows multiplies rows: their scales are those of whole groups of 32.
INLINE int is_float8(const struct qk_rows *r, int64_t in) {
	return r->layout == MXFP8 || (r->layout == E4M3 && r->wide % 32 == 0 && in % 32 == 0);
}

// float8_rows adds the products of n rows with the column to y.
static void float8_rows(float *y, const struct segment *s, const struct qk_rows *r, int64_t i, int64_t n, int64_t in) {
	for (int64_t k = 0; k < in; k += SPAN) {
		int64_t end = k + SPAN < in ? k + SPAN : in, o = 0;
		for (; o + DIGIT_ROWS <= n; o += DIGIT_ROWS)
			float8_few(y + o, s, r, i + o, k, end);
		for (; o < n; o++)
			float8_row(y + o, s, r, i + o, k, end);
	}
}
#else
INLINE int is_float8(const struct qk_rows *r, int64_t in) {
	(void)r, (void)in;
	return 0;
}
static void float8_rows(float *y, const struct segment *s, const struct qk_rows *r, int64_t i, int64_t n, int64_t in) {
	(void)y, (void)s, (void)r, (void)i, (void)n, (void)in;
}
#endif
