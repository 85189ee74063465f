//go:build cgo && (amd64 || arm64) && !windows

// What a mixture of experts does around its products. experts_ref.go is the definition.

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

#include "layer.h"
#include "product.h"
#include <math.h>
#include <string.h>

// softmax writes that of n logits.
static void softmax(float *p, const float *logits, int64_t n) {
	float most = logits[0], sum = 0;
	for (int64_t i = 1; i < n; i++)
		most = logits[i] > most ? logits[i] : most;
	for (int64_t i = 0; i < n; i++)
		sum += p[i] = expf(logits[i] - most);
	for (int64_t i = 0; i < n; i++)
		p[i] /= sum;
}

// likeliest is where the largest of p lies, the first of equals.
static int64_t likeliest(const float *p, int64_t n) {
	int64_t at = 0;
	for (int64_t i = 1; i < n; i++)
		if (p[i] > p[at])
			at = i;
	return at;
}

// A piece of work is so many rows: those of single tokens stay on the thread that has them.
enum { ROWS = 8 };

struct routing {
	int64_t rows, n, k;
	int normalise;
	const float *logits;
	uint32_t *ids;
	float *weights;
};

static void route(const void *argument, int64_t piece) {
	const struct routing *r = argument;
	float p[QK_MOST_EXPERTS];
	for (int64_t row = piece * ROWS; row < r->rows && row < (piece + 1) * ROWS; row++) {
		uint32_t *ids = r->ids + row * r->k;
		float *weights = r->weights + row * r->k, sum = 0;
		softmax(p, r->logits + row * r->n, r->n);
		for (int64_t i = 0; i < r->k; i++) {
			ids[i] = (uint32_t)likeliest(p, r->n);
			sum += weights[i] = p[ids[i]];
			p[ids[i]] = -1;
		}
		for (int64_t i = 0; r->normalise && i < r->k; i++)
			weights[i] /= sum;
	}
}

void qk_call_route(const void *argument, const void *const *inputs, const int64_t *sizes, void *outputs) {
	const int32_t *settings = inputs[1];
	struct routing r = {.rows = sizes[0] / settings[0], .n = settings[0], .k = settings[1], .normalise = settings[2],
		.logits = inputs[0], .ids = ((void **)outputs)[0], .weights = ((void **)outputs)[1]};
	(void)argument;
	qk_run(route, &r, (r.rows + ROWS - 1) / ROWS);
}

struct combining {
	int64_t rows, k, width;
	const float *y, *weights, *gates, *shared; // gates, shared: NULL for none
	float *sum;
};

// combine adds up the outputs of each row.
static void combine(const void *argument, int64_t piece) {
	const struct combining *c = argument;
	for (int64_t row = piece * ROWS; row < c->rows && row < (piece + 1) * ROWS; row++) {
		const float *restrict y = c->y + row * c->k * c->width, *weights = c->weights + row * c->k;
		float *restrict sum = c->sum + row * c->width;
		memset(sum, 0, c->width * sizeof *sum);
		for (int64_t i = 0; i < c->k; i++)
			for (int64_t j = 0; j < c->width; j++)
				sum[j] += weights[i] * y[i * c->width + j];
		if (!c->shared)
			continue;
		const float on = 1 / (1 + expf(-c->gates[row])), *restrict shared = c->shared + row * c->width;
		for (int64_t j = 0; j < c->width; j++)
			sum[j] += on * shared[j];
	}
}

static void combine_rows(const void *const *inputs, const int64_t *sizes, const float *gates, const float *shared, void *output) {
	const int32_t *n = inputs[2];
	struct combining c = {.rows = sizes[1] / n[0], .k = n[0], .width = sizes[0] / sizes[1],
		.y = inputs[0], .weights = inputs[1], .gates = gates, .shared = shared, .sum = output};
	qk_run(combine, &c, (c.rows + ROWS - 1) / ROWS);
}

void qk_call_combine(const void *argument, const void *const *inputs, const int64_t *sizes, void *output) {
	(void)argument;
	combine_rows(inputs, sizes, NULL, NULL, output);
}

void qk_call_combine_all(const void *argument, const void *const *inputs, const int64_t *sizes, void *output) {
	(void)argument;
	combine_rows(inputs, sizes, inputs[3], inputs[4], output);
}
