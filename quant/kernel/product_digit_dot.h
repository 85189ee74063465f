// One to DIGITS columns as whole numbers: see product_digits.h. A few rows are multiplied with the same block
// of x, and each block of a row, once unpacked, with all columns.
#ifdef HAS_DIGITS
// digit_scales are the scales of a piece of a row, with room for what a block may lack.
union digit_scales {
	float floats[SPAN / 16 + BLOCK / 16];
	u8 halves[2 * (SPAN / 16 + 64)]; // upper halves of floats, where an instruction set has a use for them
};

#ifdef HAS_HALVES
enum { HALVES = 1 };
#else
enum { HALVES = 0 };
#endif

// ahead_of_scales asks for bytes of scales.
INLINE void ahead_of_scales(const u8 *p, int64_t bytes) {
	for (int64_t i = 0; i < bytes; i += 64)
		__builtin_prefetch(p + i, 0, 2);
}

// ask_for_scales asks for the scales of n groups, from group g on, of rows from i on.
INLINE void ask_for_scales(const struct qk_rows *r, int64_t i, int rows, int64_t g, int64_t n, int layout) {
	int64_t size = layout != AFFINE ? 1 : r->elem == F32 ? 4 : 2;
	int64_t at = i * r->scale_size + g * size, bytes = (rows - 1) * r->scale_size + n * size;
	ahead_of_scales(r->scales + at, bytes);
	if (layout == AFFINE)
		ahead_of_scales(r->biases + at, bytes);
}

// fill_scales are the scales of n groups of row i, from group g on, zeros behind them.
INLINE void fill_scales(union digit_scales *dst, const struct qk_rows *r, int64_t i, int64_t g, int64_t n, int layout, int halves) {
	if (!halves) {
		scales_of(dst->floats, r, i, g, n);
		return;
	}
#ifdef HAS_HALVES
	const u8 *scales = r->scales + i * r->scale_size;
	if (layout == NVFP4)
		e4m3_halves(dst->halves, scales + g, n);
	else if (layout == MXFP4)
		e8m0_halves(dst->halves, scales + g, n);
	else
		bf16_halves(dst->halves, scales + 2 * g, n);
#endif
	(void)layout;
}

INLINE vf block_scales(const union digit_scales *s, int64_t k, int group, int halves) {
#ifdef HAS_HALVES
	if (halves)
		return v_half_scales(s->halves, k, group);
#endif
	(void)halves;
	return v_digit_scales(s->floats, k, group);
}

// DIGITS_SOON is SOON for rows that share a block.
enum { DIGITS_SOON = DIGIT_ROWS > 1 ? SOON / 2 : SOON };

// digit_block adds the products of block k of rows, data_size bytes apart, to sum.
INLINE void digit_block(vf sum[][DIGITS], const u8 *data, int64_t data_size, const union digit_scales *scales, int64_t k, const struct digits *x, int64_t stride, int group, int halves, int e2m1, int rows, int cols) {
#pragma GCC unroll 4
	for (int i = 0; i < rows; i++) {
		digit_codes codes = v_digit_codes(data + i * data_size, e2m1);
		vf scale = block_scales(&scales[i], k, group, halves);
#pragma GCC unroll 4
		for (int j = 0; j < cols; j++)
			sum[i][j] = v_fma(v_mul(v_dot_digits(x + j * stride, codes, e2m1), v_load(x[j * stride].unit)), scale, sum[i][j]);
	}
}

// digit_dots adds the products of rows of size bytes each, data_size apart, with cols columns, stride blocks
// apart, to y, whose rows are y_size apart. In sum is what comes to them, spread over vectors. It asks for the
// rows that are `next` further on.
INLINE void digit_dots(float *y, int64_t y_size, vf sum[][DIGITS], const u8 *data, int64_t data_size, int64_t size, int64_t next, const union digit_scales *scales, float factor, const struct digits *x, int64_t stride, int group, int halves, int e2m1, int rows, int cols) {
	int64_t k = 0;
	const int beside = size == data_size; // asked for as the bytes lie: out of their order memory gives them more slowly
	const int64_t across = beside ? DIGIT_BLOCK / 2 : data_size, along = beside ? rows * across : DIGIT_BLOCK / 2;
	const u8 *ask = data + next * data_size;
	for (; size >= DIGIT_BLOCK / 2; size -= DIGIT_BLOCK / 2, k++, data += DIGIT_BLOCK / 2, ask += along) {
#pragma GCC unroll 4
		for (int i = 0; i < rows; i++) {
#pragma GCC unroll 2
			for (int line = 0; line < DIGIT_BLOCK / 2; line += 64) {
				__builtin_prefetch(ask + i * across + line, 0, 2);
				__builtin_prefetch(data + i * data_size + line + DIGITS_SOON);
			}
		}
		digit_block(sum, data, data_size, scales, k, x + k, stride, group, halves, e2m1, rows, cols);
	}
	if (size > 0) {
		u8 last[DIGIT_ROWS][DIGIT_BLOCK / 2] = {0};
		for (int i = 0; i < rows; i++)
			memcpy(last[i], data + i * data_size, size);
		digit_block(sum, last[0], sizeof last[0], scales, k, x + k, stride, group, halves, e2m1, rows, cols);
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
			y[i * y_size + j] += sums[i] * factor;
	}
}

// digit_piece adds the products of elements [from, to) of rows from i on with the columns to y. The layout and
// the group are the rows' own.
INLINE void digit_piece(float *y, int64_t y_size, const struct call *c, const struct segment *s, const struct qk_rows *r, int64_t i, int64_t from, int64_t to, int layout, int group, int halves, int rows, int cols) {
	union digit_scales scales[DIGIT_ROWS];
	const u8 *data = r->data + i * r->data_size + from / 2;
	const struct digits *x = (const struct digits *)s->packed[NIBBLES] + from / DIGIT_BLOCK;
	int64_t size = (to - from) / 2, stride = c->padded / DIGIT_BLOCK, n = (to - from) / group, next = rows_ahead(r->data_size, rows);
	float factor = layout == NVFP4 ? r->global * 0.5f : layout == MXFP4 ? 0.5f : 1;
	ask_for_scales(r, i + next, rows, from / group, n, layout);
	for (int o = 0; o < rows; o++)
		fill_scales(&scales[o], r, i + o, from / group, n, layout, halves);
	vf sum[DIGIT_ROWS][DIGITS];
#pragma GCC unroll 4
	for (int o = 0; o < rows; o++)
#pragma GCC unroll 4
		for (int j = 0; j < cols; j++)
			sum[o][j] = layout == AFFINE ? bias_sum(c, s->sums + j * SUMS(c->padded), r, i + o, from / group, n, group) : v_zero();
	digit_dots(y, y_size, sum, data, r->data_size, size, next, scales, factor, x, stride, group, halves, layout != AFFINE, rows, cols);
}

// digit_pieces is digit_piece of n rows.
INLINE void digit_pieces(float *y, int64_t y_size, const struct call *c, const struct segment *s, const struct qk_rows *r, int64_t i, int64_t n, int64_t from, int64_t to, int layout, int group, int halves, int cols) {
	const int64_t end = i + n;
#if DIGIT_ROWS > 1
	for (; i + DIGIT_ROWS <= end; i += DIGIT_ROWS, y += DIGIT_ROWS * y_size)
		digit_piece(y, y_size, c, s, r, i, from, to, layout, group, halves, DIGIT_ROWS, cols);
#endif
	for (; i < end; i++, y += y_size)
		digit_piece(y, y_size, c, s, r, i, from, to, layout, group, halves, 1, cols);
}

// digit_layouts is digit_pieces of rows of whatever layout.
INLINE void digit_layouts(float *y, int64_t y_size, const struct call *c, const struct segment *s, const struct qk_rows *r, int64_t i, int64_t n, int64_t from, int64_t to, int cols) {
#define PIECES(layout, group, halves) digit_pieces(y, y_size, c, s, r, i, n, from, to, layout, group, halves, cols)
	if (r->layout == NVFP4)
		PIECES(NVFP4, 16, HALVES);
	else if (r->layout == MXFP4)
		PIECES(MXFP4, 32, HALVES);
	else if (HALVES && r->elem != BF16)
		PIECES(AFFINE, r->group, 0);
	else
		r->group == 32 ? PIECES(AFFINE, 32, HALVES) : r->group == 64 ? PIECES(AFFINE, 64, HALVES) : PIECES(AFFINE, 128, HALVES);
#undef PIECES
}

typedef void digit_function(float *y, int64_t y_size, const struct call *c, const struct segment *s, const struct qk_rows *r, int64_t i, int64_t n, int64_t from, int64_t to);

#define DIGIT_FUNCTION(cols) \
	static __attribute__((noinline)) void digits_by_##cols(float *y, int64_t y_size, const struct call *c, const struct segment *s, const struct qk_rows *r, int64_t i, int64_t n, int64_t from, int64_t to) { \
		digit_layouts(y, y_size, c, s, r, i, n, from, to, cols); \
	}
DIGIT_FUNCTION(1)
DIGIT_FUNCTION(2)
DIGIT_FUNCTION(3)
DIGIT_FUNCTION(4)
#undef DIGIT_FUNCTION
static digit_function *const digits_by[DIGITS] = {digits_by_1, digits_by_2, digits_by_3, digits_by_4};

// digit_rows adds the products of n rows with the columns to y, whose rows are y_size apart.
static void digit_rows(float *y, int64_t y_size, const struct call *c, const struct segment *s, const struct qk_rows *r, int64_t i, int64_t n) {
	int64_t in = c->p->in;
	for (int64_t k = 0; k < in; k += SPAN)
		digits_by[s->n - 1](y, y_size, c, s, r, i, n, k, k + SPAN < in ? k + SPAN : in);
}
#else
static void digit_rows(float *y, int64_t y_size, const struct call *c, const struct segment *s, const struct qk_rows *r, int64_t i, int64_t n) {
	(void)y, (void)y_size, (void)c, (void)s, (void)r, (void)i, (void)n;
}
#endif
