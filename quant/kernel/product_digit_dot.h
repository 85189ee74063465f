// One to DIGITS columns as whole numbers: see product_digits.h. A few rows are multiplied with the same block
// of x, and each block of a row, once unpacked, with all columns.
#ifdef HAS_DIGITS
enum { SCALES = SPAN / 16 + BLOCK / 16 }; // room for the scales of a row's piece

// few_e4m3 are the scales of nvfp4 divided by 256, zeros behind them up to whole vectors, which there is room
// for. It says whether they are numbers.
static int few_e4m3(float *restrict dst, const u8 *restrict codes, int64_t n) {
	enum { STEP = VF < 8 ? 8 : VF };
	const uint64_t ones = 0x0101010101010101, numbers = 0x7F * ones;
	uint64_t nan = 0, eight;
	for (int64_t i = 0; i < n; i += STEP) {
		u8 last[STEP] = {0};
		const u8 *p = n - i < STEP ? memcpy(last, codes + i, n - i) : codes + i;
		for (int k = 0; k < STEP; k += 8) {
			memcpy(&eight, p + k, 8);
			nan |= (eight & numbers) + ones;
		}
		for (int k = 0; k < STEP; k += VF)
			v_store(dst + i + k, v_e4m3(p + k));
	}
	return !(nan & 0x80 * ones);
}

// digit_block adds the products of block k of rows, data_size bytes apart, to sum.
INLINE void digit_block(vf sum[][DIGITS], const u8 *data, int64_t data_size, float scales[][SCALES], int64_t k, const struct digits *x, int64_t stride, int group, int e2m1, int rows, int cols) {
#pragma GCC unroll 4
	for (int i = 0; i < rows; i++) {
		digit_codes codes = v_digit_codes(data + i * data_size, e2m1);
		vf scale = v_digit_scales(scales[i], k, group);
#pragma GCC unroll 4
		for (int j = 0; j < cols; j++)
			sum[i][j] = v_fma(v_mul(v_dot_digits(x + j * stride, codes, e2m1), v_load(x[j * stride].unit)), scale, sum[i][j]);
	}
}

// digit_dots adds the products of rows of size bytes each, data_size apart, with cols columns, stride blocks
// apart, to y, whose rows are y_size apart.
INLINE void digit_dots(float *y, int64_t y_size, const u8 *data, int64_t data_size, int64_t size, float scales[][SCALES], const float *factors, const struct digits *x, int64_t stride, int group, int e2m1, int rows, int cols) {
	u8 last[DIGIT_ROWS][DIGIT_BLOCK / 2] = {0};
	vf sum[DIGIT_ROWS][DIGITS];
#pragma GCC unroll 4
	for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
		for (int j = 0; j < cols; j++)
			sum[i][j] = v_zero();
	int64_t k = 0;
	for (; size >= DIGIT_BLOCK / 2; size -= DIGIT_BLOCK / 2, k++, data += DIGIT_BLOCK / 2) {
#pragma GCC unroll 4
		for (int i = 0; i < rows; i++)
			ahead(data + i * data_size);
		digit_block(sum, data, data_size, scales, k, x + k, stride, group, e2m1, rows, cols);
	}
	if (size > 0) {
		for (int i = 0; i < rows; i++)
			memcpy(last[i], data + i * data_size, size);
		digit_block(sum, last[0], sizeof last[0], scales, k, x + k, stride, group, e2m1, rows, cols);
	}
#pragma GCC unroll 4
	for (int j = 0; j < cols; j++) {
		vf column[DIGIT_ROWS];
		float sums[DIGIT_ROWS];
#pragma GCC unroll 4
		for (int i = 0; i < DIGIT_ROWS; i++)
			column[i] = i < rows ? sum[i][j] : v_zero();
		v_row_sums(sums, column);
		for (int i = 0; i < rows; i++)
			y[i * y_size + j] += sums[i] * factors[i];
	}
}

// digit_piece adds the products of elements [from, to) of rows from i on with the columns to y.
INLINE void digit_piece(float *y, int64_t y_size, const struct call *c, const struct segment *s, const struct qk_rows *r, int64_t i, int64_t from, int64_t to, int rows, int cols) {
	float scales[DIGIT_ROWS][SCALES], factors[DIGIT_ROWS];
	const u8 *data = r->data + i * r->data_size + from / 2;
	const struct digits *x = (const struct digits *)s->packed[NIBBLES] + from / DIGIT_BLOCK;
	int64_t size = (to - from) / 2, stride = c->padded / DIGIT_BLOCK, group = group_of(r), n = (to - from) / group;
	for (int o = 0; o < rows; o++)
		if (r->layout == NVFP4) {
			int numbers = few_e4m3(scales[o], r->scales + (i + o) * r->scale_size + from / 16, n);
			factors[o] = numbers ? r->global * 128 : __builtin_nanf("");
		} else {
			scales_of(scales[o], r, i + o, from / group, n); // and zeros for what a block may lack
			factors[o] = r->layout == MXFP4 ? 0.5f : 1;
		}
#define DOTS(group, e2m1) digit_dots(y, y_size, data, r->data_size, size, scales, factors, x, stride, group, e2m1, rows, cols)
	if (r->layout != AFFINE) {
		r->layout == NVFP4 ? DOTS(16, 1) : DOTS(32, 1);
		return;
	}
	group == 32 ? DOTS(32, 0) : group == 64 ? DOTS(64, 0) : DOTS(128, 0);
#undef DOTS
	for (int o = 0; o < rows; o++)
		for (int j = 0; j < cols; j++)
			y[o * y_size + j] += bias_dot(c, s->sums + j * SUMS(c->padded), r, i + o, from / group, n);
}

typedef void digit_function(float *y, int64_t y_size, const struct call *c, const struct segment *s, const struct qk_rows *r, int64_t i, int64_t from, int64_t to);

#define DIGIT_FUNCTION(name, rows, cols) \
	static __attribute__((noinline)) void name(float *y, int64_t y_size, const struct call *c, const struct segment *s, const struct qk_rows *r, int64_t i, int64_t from, int64_t to) { \
		digit_piece(y, y_size, c, s, r, i, from, to, rows, cols); \
	}
DIGIT_FUNCTION(row_by_1, 1, 1)
DIGIT_FUNCTION(row_by_2, 1, 2)
DIGIT_FUNCTION(row_by_3, 1, 3)
DIGIT_FUNCTION(row_by_4, 1, 4)
static digit_function *const row_by[DIGITS] = {row_by_1, row_by_2, row_by_3, row_by_4};
#if DIGIT_ROWS > 1
DIGIT_FUNCTION(rows_by_1, DIGIT_ROWS, 1)
DIGIT_FUNCTION(rows_by_2, DIGIT_ROWS, 2)
DIGIT_FUNCTION(rows_by_3, DIGIT_ROWS, 3)
DIGIT_FUNCTION(rows_by_4, DIGIT_ROWS, 4)
static digit_function *const rows_by[DIGITS] = {rows_by_1, rows_by_2, rows_by_3, rows_by_4};
#else
static digit_function *const *const rows_by = row_by;
#endif
#undef DIGIT_FUNCTION

// digit_rows adds the products of n rows with the columns to y, whose rows are y_size apart.
static void digit_rows(float *y, int64_t y_size, const struct call *c, const struct segment *s, const struct qk_rows *r, int64_t i, int64_t n) {
	int64_t in = c->p->in;
	for (int64_t k = 0; k < in; k += SPAN) {
		int64_t end = k + SPAN < in ? k + SPAN : in, o = 0;
		for (; o + DIGIT_ROWS <= n; o += DIGIT_ROWS)
			rows_by[s->n - 1](y + o * y_size, y_size, c, s, r, i + o, k, end);
		for (; o < n; o++)
			row_by[s->n - 1](y + o * y_size, y_size, c, s, r, i + o, k, end);
	}
}
#else
static void digit_rows(float *y, int64_t y_size, const struct call *c, const struct segment *s, const struct qk_rows *r, int64_t i, int64_t n) {
	(void)y, (void)y_size, (void)c, (void)s, (void)r, (void)i, (void)n;
}
#endif
