//go:build cgo && (amd64 || arm64) && !windows

// Parts of a layer as operations of a graph: the RMS norm, SwiGLU, and one token through the middle of a
// Gated DeltaNet layer. activation_ref.go and delta_ref.go are their definitions. A piece of work is a few
// rows, so that the work for one token stays on the thread that has it, or a value head of a sequence.

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#else
#pragma GCC optimize("no-trapping-math")
#endif

#include "layer.h"
#include "prompt.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

// LANES partial sums are kept of a dot product, so that a compiler can make vectors of them. A piece of
// rows has PIECE elements, or is one row.
enum { LANES = 16, PIECE = 1 << 13 };

struct activation {
	int64_t rows, width, each; // each: rows of a piece
	float eps;
	const float *x, *weight;
	float *y;
};

// step is one call: the arrays, and the sizes by which they are read.
struct step {
	int64_t nk, nv, dk, dv, taps, width, conv; // conv: channels of the convolution
	float eps;
	const float *x, *past, *state, *weight, *rate, *bias, *norm;
	float *y, *next_past, *next_state, *decay;
	float *room; // of each piece: query, key and value
	qk_carry *carry;
};

// attend is one call: kept are the heads of keys and values, length the places with this token's own, of which
// a piece takes SHARE.
struct attend {
	int64_t heads, kept, dim, pairs, width, length, capacity, shares;
	int gated;
	float eps;
	const float *x, *query_norm, *key_norm, *turns;
	float *y, *keys, *values;
	float *queries, *parts; // room: of each piece and query, PART floats
};

enum { SHARE = 128 };
#define PART(dim) (SHARE + 2 + (dim))

// found is what a share of LOGITS elements of a row has as the largest, and whether all of it is finite.
struct found {
	float most;
	int finite;
	int64_t at;
};

struct likeliest {
	int64_t width, size, shares;
	const float *x;
	struct found *found; // of each share of each row
};

enum { LOGITS = 1 << 14 };

#define TARGET
#define FN(name) name##_base
#include "layer_body.h"
#undef TARGET
#undef FN

#ifdef __x86_64__
#define TARGET __attribute__((target("avx2")))
#define FN(name) name##_avx2
#include "layer_body.h"
#undef TARGET
#undef FN

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))
#define FN(name) name##_avx512
#include "layer_body.h"
#undef TARGET
#undef FN
#define CHOOSE(isa, name) (isa >= AVX512 ? name##_avx512 : isa == AVX2 ? name##_avx2 : name##_base)
#else
#define CHOOSE(isa, name) name##_base
#endif

// prepare reads the settings: the width of a row of the output, the bits of eps, and the instruction set.
static struct activation prepare(const int32_t *n, int64_t elements) {
	struct activation a = {.width = n[0]};
	a.rows = elements / a.width;
	a.each = a.width < PIECE ? PIECE / a.width : 1;
	memcpy(&a.eps, &n[1], sizeof a.eps);
	return a;
}

static void run(void (*task)(const void *, int64_t), const struct activation *a) {
	qk_run(task, a, (a->rows + a->each - 1) / a->each);
}

// run_weighted runs a task over x, weight and settings.
static void run_weighted(void (*task)(const void *, int64_t), const void *const *inputs, const int64_t *sizes, void *output) {
	struct activation a = prepare(inputs[2], sizes[0]);
	a.x = inputs[0], a.weight = inputs[1], a.y = output;
	run(task, &a);
}

void qk_call_norm(const void *argument, const void *const *inputs, const int64_t *sizes, void *output) {
	const int32_t *n = inputs[2];
	(void)argument;
	run_weighted(CHOOSE(n[2], norm), inputs, sizes, output);
}

void qk_call_swiglu(const void *argument, const void *const *inputs, const int64_t *sizes, void *output) {
	const int32_t *n = inputs[1];
	(void)argument;
	struct activation a = prepare(n, sizes[0] / 2);
	a.x = inputs[0], a.y = output;
	run(CHOOSE(n[2], swiglu), &a);
}

void qk_call_gate(const void *argument, const void *const *inputs, const int64_t *sizes, void *output) {
	const int32_t *n = inputs[2];
	(void)argument;
	run_weighted(CHOOSE(n[2], gate), inputs, sizes, output);
}

void qk_call_add(const void *argument, const void *const *inputs, const int64_t *sizes, void *output) {
	const float *x = inputs[0], *y = inputs[1];
	float *sum = output;
	(void)argument;
	for (int64_t i = 0; i < sizes[0]; i++)
		sum[i] = x[i] + y[i];
}

void qk_call_delta(const void *argument, const void *const *inputs, const int64_t *sizes, void *outputs) {
	const int32_t *n = inputs[7];
	float *const *out = outputs;
	struct step s = {
		.nk = n[0], .nv = n[1], .dk = n[2], .dv = n[3], .taps = n[4],
		.x = inputs[0], .past = inputs[1], .state = inputs[2], .weight = inputs[3],
		.rate = inputs[4], .bias = inputs[5], .norm = inputs[6],
		.y = out[0], .next_past = out[1], .next_state = out[2], .decay = out[3], .carry = qk_prompt_kernels(n[6])->carry,
	};
	(void)argument;
	memcpy(&s.eps, &n[5], sizeof s.eps);
	s.conv = 2 * s.nk * s.dk + s.nv * s.dv;
	s.width = s.conv + s.nv * s.dv + 2 * s.nv;
	int64_t pieces = sizes[0] / s.width * s.nv;
	s.room = qk_need(pieces * (2 * s.dk + s.dv) * sizeof *s.room);
	qk_run(CHOOSE(n[6], head), &s, pieces);
	free(s.room);
}

// carried is what an output holds of an input, whose memory it has or not.
static float *carried(void *output, const void *input, int64_t elements) {
	if (output != input)
		memcpy(output, input, elements * sizeof(float));
	return output;
}

void qk_call_attend(const void *argument, const void *const *inputs, const int64_t *sizes, void *outputs) {
	const int32_t *n = inputs[7], *length = inputs[6];
	void *const *out = outputs;
	struct attend a = {
		.heads = n[0], .kept = n[1], .dim = n[2], .pairs = n[3], .length = length[0] + 1, .gated = n[4],
		.width = ((n[4] ? 2 : 1) * (int64_t)n[0] + 2 * n[1]) * n[2],
		.x = inputs[0], .query_norm = inputs[3], .key_norm = inputs[4], .turns = inputs[5], .y = out[0],
	};
	const int64_t rows = sizes[0] / a.width;
	(void)argument;
	if (rows < 1)
		return;
	memcpy(&a.eps, &n[5], sizeof a.eps);
	a.capacity = sizes[1] / (rows * a.kept * a.dim);
	if (a.length > a.capacity)
		abort();
	a.shares = (a.length + SHARE - 1) / SHARE;
	a.keys = carried(out[1], inputs[1], sizes[1]);
	a.values = carried(out[2], inputs[2], sizes[2]);
	a.queries = qk_need(rows * a.heads * (a.dim + a.shares * PART(a.dim)) * sizeof *a.queries);
	a.parts = a.queries + rows * a.heads * a.dim;
	CHOOSE(n[6], attend)(&a, rows);
	free(a.queries);
}

void qk_call_likeliest(const void *argument, const void *const *inputs, const int64_t *sizes, void *output) {
	const int32_t *n = inputs[1];
	int32_t *ids = output;
	struct likeliest a = {.width = n[0], .size = n[1], .shares = (n[1] + LOGITS - 1) / LOGITS, .x = inputs[0]};
	const int64_t rows = sizes[0] / a.width;
	(void)argument;
	a.found = qk_need(rows * a.shares * sizeof *a.found);
	qk_run(CHOOSE(n[2], likeliest), &a, rows * a.shares);
	for (int64_t row = 0; row < rows; row++) {
		const struct found *f = a.found + row * a.shares, *most = f;
		int finite = 1;
		for (int64_t i = 0; i < a.shares; i++) {
			most = f[i].most > most->most ? &f[i] : most;
			finite &= f[i].finite;
		}
		ids[row] = finite ? (int32_t)most->at : -1;
	}
	free(a.found);
}
