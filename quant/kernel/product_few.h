// Two to DIGITS columns of rows that lie in their natural order: each vector of a row, once widened, is multiplied
// with all of them.

// Elements of a row that are multiplied at a time: as much of so many columns as the first cache holds.
enum { FEW_SPAN = 2048 };

// codes_dots adds to y the products of groups of elements with cols columns, stride apart.
INLINE void codes_dots(float *y, const u8 *data, int64_t n, const float *scales, const float *x, int64_t stride, int group, int kind, int bits, int cols) {
	vf sum[DIGITS];
	bit_table t[2] = {0};
	if (kind == FEW_BITS)
		t[0] = bit_table_of(bits, 0), t[1] = bit_table_of(bits, 1);
	const u8 *end = data + n * bits / 8;
	u8 last[CODE_BYTES];
	int nan = 0;
#pragma GCC unroll 4
	for (int j = 0; j < cols; j++)
		sum[j] = v_zero();
	for (int64_t g = 0; g < n / group; g++) {
		vf d[DIGITS];
#pragma GCC unroll 4
		for (int j = 0; j < cols; j++)
			d[j] = v_zero();
		for (int i = 0; i < group; i += 32, data += 4 * bits, x += 32) {
			ahead_of(data, 4 * bits);
			const u8 *p = code_bytes(data, end, kind, bits, last);
#pragma GCC unroll 8
			for (int k = 0; k < 32; k += VF) {
				vf w = v_code(p + k * bits / 8, kind, t[k / VF % 2]);
#pragma GCC unroll 4
				for (int j = 0; j < cols; j++)
					d[j] = v_fma(w, v_load(x + j * stride + k), d[j]);
			}
			if (kind == FLOAT8)
				nan |= v_has_nan(data);
		}
		vf scale = v_set(scales[g]);
#pragma GCC unroll 4
		for (int j = 0; j < cols; j++) // 256 before the scale, which may be as large as floats are
			sum[j] = v_fma(kind == FLOAT8 ? v_mul(d[j], v_set(256)) : d[j], scale, sum[j]);
	}
#pragma GCC unroll 4
	for (int j = 0; j < cols; j++)
		y[j] += nan ? __builtin_nanf("") : v_sum(sum[j]);
}

// floats_dots is codes_dots of floats.
INLINE void floats_dots(float *y, const u8 *data, int64_t n, const float *x, int64_t stride, int type, int cols) {
	int64_t size = type == F32 ? 4 : 2;
	vf sum[DIGITS][2];
#pragma GCC unroll 4
	for (int j = 0; j < cols; j++)
		sum[j][0] = sum[j][1] = v_zero();
	for (int64_t i = 0; i < n; i += 2 * VF) {
		u8 last[4 * 2 * VF];
		const u8 *p = data + i * size;
		if (n - i < 2 * VF) {
			memset(last, 0, sizeof last);
			p = memcpy(last, p, (n - i) * size);
		} else {
			ahead_of(p, 2 * VF * size);
		}
#pragma GCC unroll 2
		for (int k = 0; k < 2; k++) {
			vf w = v_float(p + k * VF * size, type);
#pragma GCC unroll 4
			for (int j = 0; j < cols; j++)
				sum[j][k] = v_fma(w, v_load(x + j * stride + i + k * VF), sum[j][k]);
		}
	}
#pragma GCC unroll 4
	for (int j = 0; j < cols; j++)
		y[j] += v_sum(v_add(sum[j][0], sum[j][1]));
}

// few_dots adds to y the products of elements [from, to) of row i with the columns.
INLINE void few_dots(float *y, const struct call *c, const struct segment *s, const struct qk_rows *r, int64_t i, int64_t from, int64_t to, int cols) {
	float scales[FEW_SPAN / 32 + BLOCK / 16];
	const float *x = s->packed[NATURAL] + from;
	const u8 *data = r->data + i * r->data_size;
	int64_t n = to - from, stride = c->padded;
	int group = group_of(r);
	if (r->layout == PLAIN) {
		data += from * (r->elem == F32 ? 4 : 2);
		r->elem == BF16 ? floats_dots(y, data, n, x, stride, BF16, cols) : r->elem == F16 ? floats_dots(y, data, n, x, stride, F16, cols)
																				   : floats_dots(y, data, n, x, stride, F32, cols);
		return;
	}
	scales_of(scales, r, i, from / group, n / group);
#define DOTS(group, kind, bits) codes_dots(y, data + from * (bits) / 8, n, scales, x, stride, group, kind, bits, cols)
	if (r->layout == MXFP8) {
		DOTS(32, FLOAT8, 8);
		return;
	}
	if (r->bits == 8)
		group == 32 ? DOTS(32, WHOLE, 8) : group == 64 ? DOTS(64, WHOLE, 8) : DOTS(128, WHOLE, 8);
	else
		DOTS(group, FEW_BITS, r->bits);
#undef DOTS
	for (int j = 0; j < cols; j++)
		y[j] += bias_dot(c, s->sums + j * SUMS(c->padded), r, i, from / group, n / group);
}

#define FEW_FUNCTION(cols) \
	static __attribute__((noinline)) void few_dots_##cols(float *y, const struct call *c, const struct segment *s, const struct qk_rows *r, int64_t i, int64_t from, int64_t to) { \
		few_dots(y, c, s, r, i, from, to, cols); \
	}
FEW_FUNCTION(2)
FEW_FUNCTION(3)
FEW_FUNCTION(4)
#undef FEW_FUNCTION

// is_few says whether few_rows multiplies rows by so many columns.
INLINE int is_few(const struct qk_rows *r, int64_t cols) {
	return cols > 1 && cols <= DIGITS && !is_nibbles(r) && (r->layout == PLAIN || r->layout == MXFP8 || r->layout == AFFINE);
}

// few_rows adds the products of n rows with the columns to y [n, FEW].
static void few_rows(float *y, const struct call *c, const struct segment *s, const struct qk_rows *r, int64_t i, int64_t n) {
	int64_t in = c->p->in;
	for (int64_t k = 0; k < in; k += FEW_SPAN)
		for (int64_t o = 0; o < n; o++)
			(s->n == 2 ? few_dots_2 : s->n == 3 ? few_dots_3 : few_dots_4)(y + o * FEW, c, s, r, i + o, k, k + FEW_SPAN < in ? k + FEW_SPAN : in);
}
