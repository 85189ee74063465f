// One column: rows are multiplied as they are unpacked, each group before its scale. See product_body.h.

enum { SPAN = 8192 }; // elements of a row that are multiplied at a time: what of x the caches hold

// Bytes of rows are asked for twice. So far ahead of their use that memory has the time to give them, two pages since
// looking up a page takes longer than reading a line, they are asked into the second cache: more lines can be on
// their way there than into the first. Shortly before their use they are asked into the first.
enum { AHEAD = 8192, SOON = 768 };

INLINE void ahead(const u8 *p) {
	__builtin_prefetch(p + AHEAD, 0, 2);
	__builtin_prefetch(p + SOON);
}

// ahead_of is ahead of what is read in so many bytes at a time, once a line: of fewer than a line's, where p is among its
// first.
INLINE void ahead_of(const u8 *p, int64_t bytes) {
	for (int64_t line = 0; line < bytes; line += 64)
		if ((uintptr_t)p % 64 < (uintptr_t)bytes)
			ahead(p + line);
}

// rows_ahead is the former distance in rows of size bytes of which some are multiplied together: in whole steps of them,
// for what is AHEAD of one may lie in the next, which is read at the same time.
INLINE int64_t rows_ahead(int64_t size, int rows) { return (AHEAD + rows * size - 1) / (rows * size) * rows; }

// nibbles_dot multiplies blocks of 16*LANES bytes, of which only size are there.
INLINE float nibbles_dot(const u8 *data, int64_t size, const float *scales, const float *x, int group, nibble_table t) {
	u8 last[16 * LANES] = {0};
	vf sum = v_zero(), sum2 = v_zero(), w[8], a, b;
	int64_t whole = size / (16 * LANES), all = (size + 16 * LANES - 1) / (16 * LANES);
	memcpy(last, data + whole * 16 * LANES, size - whole * 16 * LANES);
	for (int64_t k = 0; k < all; k++, x += BLOCK) {
		const u8 *p = k < whole ? data + k * 16 * LANES : last;
		ahead_of(data + k * 16 * LANES, 16 * LANES);
		v_nibbles(w, p, t);
		v_scales(&a, &b, scales, k, group);
		vf d = v_fma(w[1], v_load(x + VF), v_mul(w[0], v_load(x)));
		vf e = v_fma(w[3], v_load(x + 3 * VF), v_mul(w[2], v_load(x + 2 * VF)));
		vf f = v_fma(w[5], v_load(x + 5 * VF), v_mul(w[4], v_load(x + 4 * VF)));
		vf g = v_fma(w[7], v_load(x + 7 * VF), v_mul(w[6], v_load(x + 6 * VF)));
		d = v_add(d, f);
		e = v_add(e, g);
		sum = v_fma(d, a, sum);
		sum2 = v_fma(e, b, sum2);
	}
	return v_sum(v_add(sum, sum2));
}

// codes_dot multiplies groups of elements that lie in their natural order.
INLINE float codes_dot(const u8 *data, int64_t n, const float *scales, const float *x, int group, int kind, int bits) {
	vf sum = v_zero(), sum2 = v_zero();
	bit_table t = {0}, t2 = {0};
	if (kind == FEW_BITS)
		t = bit_table_of(bits, 0), t2 = bit_table_of(bits, 1);
	const u8 *end = data + n * bits / 8;
	u8 last[CODE_BYTES];
	int nan = 0;
	for (int64_t g = 0; g < n / group; g++) {
		vf d = v_zero(), e = v_zero();
		for (int i = 0; i < group; i += 32, data += 4 * bits, x += 32) {
			ahead_of(data, 4 * bits);
			const u8 *p = code_bytes(data, end, kind, bits, last);
			for (int k = 0; k < 32; k += 2 * VF) {
				d = v_fma(v_code(p + k * bits / 8, kind, t), v_load(x + k), d);
				e = v_fma(v_code(p + (k + VF) * bits / 8, kind, t2), v_load(x + k + VF), e);
			}
			if (kind == FLOAT8)
				nan |= v_has_nan(data);
		}
		d = v_add(d, e);
		if (kind == FLOAT8)
			d = v_mul(d, v_set(256)); // before the scale, which may be as large as floats are
		if (g % 2)
			sum = v_fma(d, v_set(scales[g]), sum);
		else
			sum2 = v_fma(d, v_set(scales[g]), sum2);
	}
	return nan ? __builtin_nanf("") : v_sum(v_add(sum, sum2));
}

// floats_sum are the products of n floats with x, spread over a vector: of few, which one sum is enough for.
INLINE vf floats_sum(const u8 *data, int64_t n, const float *x, int type) {
	int64_t size = type == F32 ? 4 : 2, i = 0;
	vf sum = v_zero();
	for (; i + VF <= n; i += VF)
		sum = v_fma(v_float(data + i * size, type), v_load(x + i), sum);
	if (i < n) {
		u8 last[4 * VF] = {0};
		memcpy(last, data + i * size, (n - i) * size);
		sum = v_fma(v_float(last, type), v_load(x + i), sum);
	}
	return sum;
}

INLINE float floats_dot(const u8 *data, int64_t n, const float *x, int type) {
	int64_t size = type == F32 ? 4 : 2, i = 0;
	vf sum[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
	for (; i + 4 * VF <= n; i += 4 * VF) {
		ahead_of(data + i * size, 4 * VF * size);
		for (int k = 0; k < 4; k++)
			sum[k] = v_fma(v_float(data + (i + k * VF) * size, type), v_load(x + i + k * VF), sum[k]);
	}
	sum[3] = v_add(sum[3], floats_sum(data + i * size, n - i, x + i, type));
	return v_sum(v_add(v_add(sum[0], sum[1]), v_add(sum[2], sum[3])));
}

// blocks_dot multiplies elements [from, to) of row i of e4m3 in blocks of whole groups of 32.
static float blocks_dot(const struct qk_rows *r, int64_t i, int64_t from, int64_t to, const float *x) {
	const u8 *data = r->data + i * r->data_size, *scales = r->scales + (r->first + i) / r->height * r->scale_size;
	int64_t size = r->elem == F32 ? 4 : 2;
	float sum = 0, scale;
	while (from < to) {
		int64_t block = from / r->wide, n = (block + 1) * r->wide < to ? (block + 1) * r->wide - from : to - from;
		float_scales(&scale, scales + block * size, r->elem, 1);
		sum += codes_dot(data + from, n, &scale, x + from, n, FLOAT8, 8);
		from += n;
	}
	return sum;
}

// bias_sum is what the biases of groups [g, g+n) add to a column of those sums, spread over a vector.
INLINE vf bias_sum(const struct call *c, const float *sums, const struct qk_rows *r, int64_t i, int64_t g, int64_t n, int group) {
	const u8 *bias = r->biases + i * r->scale_size;
	for (int size = 32; size < group; size *= 2)
		sums += c->padded / size;
	sums += g;
	return r->elem == BF16 ? floats_sum(bias + 2 * g, n, sums, BF16) : r->elem == F16 ? floats_sum(bias + 2 * g, n, sums, F16)
																					  : floats_sum(bias + 4 * g, n, sums, F32);
}

static float bias_dot(const struct call *c, const float *sums, const struct qk_rows *r, int64_t i, int64_t g, int64_t n) {
	return v_sum(bias_sum(c, sums, r, i, g, n, r->group));
}

// affine_dot multiplies elements [from, to) of row i of an affine format.
INLINE float affine_dot(const struct call *c, const struct segment *s, const struct qk_rows *r, int64_t i, int64_t from, int64_t to, int group, const float *x) {
	float scales[SPAN / 32 + BLOCK / 16];
	int64_t n = to - from;
	const u8 *data = r->data + i * r->data_size;
	scales_of(scales, r, i, from / group, n / group);
	float d;
	if (r->bits == 4)
		d = nibbles_dot(data + from / 2, n / 2, scales, x + from, group, v_table(int_high, int_low));
	else if (r->bits == 8)
		d = codes_dot(data + from, n, scales, x + from, group, WHOLE, 8);
	else
		d = codes_dot(data + from * r->bits / 8, n, scales, x + from, group, FEW_BITS, r->bits);
	return d + bias_dot(c, s->sums, r, i, from / group, n / group);
}

// row_dot multiplies elements [from, to) of row i.
static float row_dot(const struct call *c, const struct segment *s, const struct qk_rows *r, int64_t i, int64_t from, int64_t to) {
	const float *x = s->packed[is_nibbles(r) ? NIBBLES : NATURAL];
	const u8 *data = r->data + i * r->data_size;
	float scales[SPAN / 16 + BLOCK / 16], w[SPAN];
	int64_t n = to - from;
	switch (r->layout) {
	case PLAIN:
		data += from * (r->elem == F32 ? 4 : 2);
		return r->elem == BF16 ? floats_dot(data, n, x + from, BF16) : r->elem == F16 ? floats_dot(data, n, x + from, F16)
																			: floats_dot(data, n, x + from, F32);
	case NVFP4:
		scales_of(scales, r, i, from / 16, n / 16);
		return nibbles_dot(data + from / 2, n / 2, scales, x + from, 16, v_table(e2m1_high, e2m1_low)) * r->global;
	case MXFP4:
		scales_of(scales, r, i, from / 32, n / 32);
		return nibbles_dot(data + from / 2, n / 2, scales, x + from, 32, v_table(e2m1_high, e2m1_low));
	case MXFP8:
		scales_of(scales, r, i, from / 32, n / 32);
		return codes_dot(data + from, n, scales, x + from, 32, FLOAT8, 8);
	case AFFINE:
		return r->group == 32 ? affine_dot(c, s, r, i, from, to, 32, x) : r->group == 64 ? affine_dot(c, s, r, i, from, to, 64, x)
																					: affine_dot(c, s, r, i, from, to, 128, x);
	}
	if (r->layout == E4M3 && r->wide % 32 == 0 && n % 32 == 0)
		return blocks_dot(r, i, from, to, x);
	qk_elements(ISA, w, r, i, from, to);
	return floats_dot((const u8 *)w, n, x + from, F32);
}

// Rows that lie input by input are multiplied with a column BESIDE at a time, each in a place of its own of
// the vectors; products of so many inputs are added up before they come to the sum.
enum { BESIDE = 4 * VF, TURN = 256, TURN_AHEAD = 16 };

INLINE void turned_dots(float *y, const u8 *p, int64_t step, const float *x, int64_t in, int type) {
	int64_t size = type == F32 ? 4 : 2;
	vf all[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
	for (int64_t c = 0; c < in;) {
		vf sum[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
		for (int64_t end = c + TURN < in ? c + TURN : in; c < end; c++, p += step) {
			vf v = v_set(x[c]);
			__builtin_prefetch(p + TURN_AHEAD * step);
			__builtin_prefetch(p + TURN_AHEAD * step + 2 * VF * size);
#pragma GCC unroll 4
			for (int k = 0; k < 4; k++)
				sum[k] = v_fma(v_float(p + k * VF * size, type), v, sum[k]);
		}
		for (int k = 0; k < 4; k++)
			all[k] = v_add(all[k], sum[k]);
	}
	for (int k = 0; k < 4; k++)
		v_store(y + k * VF, all[k]);
}

// turned_rows is turned_dots of rows from i on of whatever type.
static void turned_rows(float *y, const struct qk_rows *r, int64_t i, const float *x, int64_t in) {
	const u8 *p = r->data + i * r->data_size;
	if (r->elem == BF16)
		turned_dots(y, p, r->step, x, in, BF16);
	else if (r->elem == F16)
		turned_dots(y, p, r->step, x, in, F16);
	else
		turned_dots(y, p, r->step, x, in, F32);
}

// are_beside says whether beside_rows takes the next n rows of a run.
INLINE int are_beside(const struct qk_rows *r, int64_t n) { return r->layout == TURNED && n >= BESIDE; }

// beside_rows writes the products of BESIDE rows, from row i of a run and row `row` of y's columns on: all columns
// one after the other, while the rows are in a cache.
static int64_t beside_rows(const struct call *c, const struct segment *s, const struct qk_rows *r, int64_t i, int64_t row) {
	for (int64_t j = 0; j < s->n; j++)
		turned_rows(c->y + row_of(c, s, j) * c->p->out + row, r, i, s->packed[NATURAL] + j * c->padded, c->p->in);
	return BESIDE;
}

#include "product_digit_dot.h"
#include "product_float8.h"

enum { TOGETHER = 16 }; // rows whose pieces are multiplied with the same piece of x

static void dot_rows(const struct call *c, const struct segment *s, int64_t from, int64_t to) {
	int64_t in = c->p->in;
	float *y = c->y + row_of(c, s, 0) * c->p->out;
	for (int64_t n; from < to; from += n) {
		int64_t i = from;
		const struct qk_rows *r = qk_find(c->p, s->expert, &i);
		n = to - from < r->count - i ? to - from : r->count - i;
		if (are_beside(r, n)) {
			n = beside_rows(c, s, r, i, from);
			continue;
		}
		if (s->digits && is_nibbles(r)) {
			memset(y + from, 0, n * sizeof *y);
			digit_rows(y + from, 1, c, s, r, i, n);
			continue;
		}
		n = n < TOGETHER ? n : TOGETHER;
		float sum[TOGETHER] = {0};
		for (int64_t k = 0; k < in; k += SPAN)
			for (int64_t o = 0, end = k + SPAN < in ? k + SPAN : in; o < n; o++)
				sum[o] += is_float8(r, in) ? float8_dot(s, r, i + o, k, end) : row_dot(c, s, r, i + o, k, end);
		memcpy(y + from, sum, n * sizeof *sum);
	}
}
