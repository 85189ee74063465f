// The kernels of prompts, over the vectors of an instruction set: prompt_avx2.c and its neighbours say what a
// vector is and include this.
#include <math.h>
#include <string.h>

// Rows and columns of matrices are padded with zeros to multiples of WHOLE. Products are computed in blocks of MR
// rows and WIDE columns.
enum { WHOLE = 32, WIDE = 2 * VF };

INLINE int64_t whole(int64_t n) { return (n + WHOLE - 1) / WHOLE * WHOLE; }

typedef uint32_t vu __attribute__((vector_size(4 * VF)));

// v_exp is e^x to 2 units in the last place, for x cut to [-87, 88], where float32 has it.
INLINE vf v_exp(vf x) {
	x = v_most(v_set(-87), v_least(v_set(88), x));
	const vf round = v_set(12582912.f), z = v_fma(x, v_set(1.4426950408889634f), round), n = z - round;
	const vf r = v_fma(n, v_set(2.12194440e-4f), v_fma(n, v_set(-0.693359375f), x)), r2 = r * r;
	const vf high = v_fma(r2, v_set(1.f / 720), v_fma(r, v_set(1.f / 120), v_set(1.f / 24)));
	const vf p = v_fma(r2, v_fma(r2, high, v_fma(r, v_set(1.f / 6), v_set(0.5f))), v_set(1) + r);
	const vf bias = v_set(1); // whose bits are the exponent's bias
	return p * (vf)(((vu)z << 23) + (vu)bias);
}

// v_decay is e^x, and 0 where that adds nothing to a sum: so small, products would become subnormal numbers, with
// which a processor is many times slower.
INLINE vf v_decay(vf x) { return v_from(v_exp(x), x, v_set(-60)); }

INLINE vf v_sigmoid(vf x) { return v_invert(v_set(1) + v_exp(v_zero() - x)); }

// v_some loads n elements, zeros behind them where that is less than a vector; v_put stores as many.
INLINE vf v_some(const float *p, int64_t n) {
	if (n >= VF)
		return v_load(p);
	float some[VF] = {0};
	memcpy(some, p, n * sizeof *p);
	return v_load(some);
}

INLINE void v_put(float *p, vf a, int64_t n) {
	if (n >= VF) {
		v_store(p, a);
		return;
	}
	float some[VF];
	v_store(some, a);
	memcpy(p, some, n * sizeof *p);
}

// squares is the sum of the squares of x [n].
INLINE float squares(const float *x, int64_t n) {
	vf sum = v_zero();
	for (int64_t i = 0; i < n; i += VF) {
		const vf v = v_some(x + i, n - i);
		sum = v_fma(v, v, sum);
	}
	return v_sum(sum);
}

// turn writes x [rows, cols] as y [cols, rows]; both numbers are multiples of 4.
INLINE void turn(float *y, int64_t ys, const float *x, int64_t xs, int64_t rows, int64_t cols) {
	for (int64_t i = 0; i < rows; i += 4)
		for (int64_t j = 0; j < cols; j += 4)
			turn4(y + j * ys + i, ys, x + i * xs + j, xs);
}

// block is a block of multiply. With solve, y is then solved for itself: see solve.
INLINE void block(float *restrict y, int64_t ys, const float *a, int64_t as, int turned, const float *b, int64_t bs, int64_t n, const float *keep, int64_t step, int solve) {
	vf sum[MR][2];
#pragma GCC unroll 8
	for (int i = 0; i < MR; i++)
		for (int j = 0; j < 2; j++)
			if (keep)
				sum[i][j] = v_load(y + i * ys + j * VF) * v_set(keep[i * step]);
			else
				sum[i][j] = v_zero();
	for (int64_t k = 0; k < n; k++) {
		const vf v0 = v_load(b + k * bs), v1 = v_load(b + k * bs + VF);
#pragma GCC unroll 8
		for (int i = 0; i < MR; i++) {
			const vf w = v_set(turned ? a[k * as + i] : a[i * as + k]);
			sum[i][0] = v_fma(w, v0, sum[i][0]);
			sum[i][1] = v_fma(w, v1, sum[i][1]);
		}
	}
#pragma GCC unroll 8
	for (int i = 1; solve && i < MR; i++)
#pragma GCC unroll 8
		for (int k = 0; k < i; k++) {
			const vf w = v_set(a[i * as + n + k]);
			sum[i][0] = v_fma(w, sum[k][0], sum[i][0]);
			sum[i][1] = v_fma(w, sum[k][1], sum[i][1]);
		}
#pragma GCC unroll 8
	for (int i = 0; i < MR; i++)
		for (int j = 0; j < 2; j++)
			v_store(y + i * ys + j * VF, sum[i][j]);
}

// multiply makes y [rows, cols] what it keeps of y, a factor for each row, each `step` behind the other, or nothing
// with NULL, plus a [rows, n], or its transpose where that lies turned, times b [n, cols]. ys, as and bs are from row
// to row. With below, a [rows, rows] has zeros above its diagonal.
INLINE void multiply(float *y, int64_t ys, int64_t rows, int64_t cols, const float *a, int64_t as, int turned, const float *b, int64_t bs, int64_t n, const float *keep, int64_t step, int below) {
	for (int64_t j = 0; j < cols; j += WIDE)
		for (int64_t i = 0; i < rows; i += MR)
			block(y + i * ys + j, ys, turned ? a + i : a + i * as, as, turned, b + j, bs, below ? i + MR : n, keep ? keep + i * step : NULL, step, 0);
}

static __attribute__((noinline)) void multiply_plain(float *y, int64_t ys, int64_t rows, int64_t cols, const float *a, int64_t as, const float *b, int64_t bs, int64_t n, const float *keep) {
	multiply(y, ys, rows, cols, a, as, 0, b, bs, n, keep, 1, 0);
}

static __attribute__((noinline)) void multiply_below(float *y, int64_t ys, int64_t rows, int64_t cols, const float *a, int64_t as, const float *b, int64_t bs, const float *keep) {
	multiply(y, ys, rows, cols, a, as, 0, b, bs, 0, keep, 1, 1);
}

static __attribute__((noinline)) void multiply_turned(float *y, int64_t ys, int64_t rows, int64_t cols, const float *a, int64_t as, const float *b, int64_t bs, int64_t n, const float *keep, int64_t step) {
	multiply(y, ys, rows, cols, a, as, 1, b, bs, n, keep, step, 0);
}

// solve replaces y [rows, cols] by the solution of (I - a) y = y, of which a [rows, rows] is read below its diagonal.
static __attribute__((noinline)) void solve(float *y, int64_t ys, int64_t rows, int64_t cols, const float *a, int64_t as) {
	const float one = 1;
	for (int64_t j = 0; j < cols; j += WIDE)
		for (int64_t i = 0; i < rows; i += MR)
			block(y + i * ys + j, ys, a + i * as, as, 0, y + j, ys, i, &one, 0, 1);
}

#include "prompt_carry.h"
#include "prompt_delta.h"
#include "prompt_attend.h"

const struct prompt_kernels KERNELS = {delta, place, attend, carry};
