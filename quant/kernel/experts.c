//go:build cgo && (amd64 || arm64) && !windows

// What a mixture of experts does around its products, for single tokens. experts_ref.go is the definition.

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

#include "layer.h"
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

void qk_call_route(const void *argument, const void *const *inputs, const int64_t *sizes, void *outputs) {
	const int32_t *settings = inputs[1];
	const int64_t n = settings[0], k = settings[1];
	uint32_t *ids = ((void **)outputs)[0];
	float *weights = ((void **)outputs)[1], p[QK_MOST_EXPERTS];
	(void)argument;
	for (int64_t row = 0; row < sizes[0] / n; row++, ids += k, weights += k) {
		softmax(p, (const float *)inputs[0] + row * n, n);
		float sum = 0;
		for (int64_t i = 0; i < k; i++) {
			ids[i] = (uint32_t)likeliest(p, n);
			sum += weights[i] = p[ids[i]];
			p[ids[i]] = -1;
		}
		for (int64_t i = 0; settings[2] && i < k; i++)
			weights[i] /= sum;
	}
}

// combine is the sum over k of weight times y, for one row.
static void combine(float *restrict sum, const float *restrict y, const float *weights, int64_t k, int64_t width) {
	memset(sum, 0, width * sizeof *sum);
	for (int64_t i = 0; i < k; i++)
		for (int64_t j = 0; j < width; j++)
			sum[j] += weights[i] * y[i * width + j];
}

void qk_call_combine(const void *argument, const void *const *inputs, const int64_t *sizes, void *output) {
	const int32_t *n = inputs[2];
	const int64_t k = n[0], width = sizes[0] / sizes[1];
	const float *y = inputs[0], *weights = inputs[1];
	float *sum = output;
	(void)argument;
	for (int64_t row = 0; row < sizes[1] / k; row++)
		combine(sum + row * width, y + row * k * width, weights + row * k, k, width);
}

void qk_call_combine_all(const void *argument, const void *const *inputs, const int64_t *sizes, void *output) {
	const float *gates = inputs[3], *shared = inputs[4];
	const int64_t width = sizes[4] / sizes[3];
	float *sum = output;
	qk_call_combine(argument, inputs, sizes, output);
	for (int64_t row = 0; row < sizes[3]; row++) {
		const float on = 1 / (1 + expf(-gates[row]));
		for (int64_t j = 0; j < width; j++)
			sum[row * width + j] += on * shared[row * width + j];
	}
}
