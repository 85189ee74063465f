//go:build cgo && (amd64 || arm64) && !windows

// Several tokens of a sequence through the middle of a layer, as operations of a graph. Their
// definitions are in prompt_ref.go.

#include "prompt.h"
#include <stdlib.h>
#include <string.h>

const struct prompt_kernels *qk_prompt_kernels(int isa) {
#ifdef __x86_64__
	return isa >= AVX512 ? &qk_prompt_avx512 : isa == AVX2 ? &qk_prompt_avx2 : &qk_prompt_base;
#else
	(void)isa;
	return &qk_prompt_base;
#endif
}

// keep writes the convolution's inputs before the token that comes next.
static void keep(const struct delta_prompt *s, float *next, int64_t sequences) {
	const int64_t kept = s->taps - 1;
	for (int64_t b = 0; b < sequences; b++)
		for (int64_t i = 0; i < kept; i++) {
			const int64_t at = s->tokens - kept + i;
			const float *in = at < 0 ? s->past + (b * kept + kept + at) * s->conv : s->x + (b * s->tokens + at) * s->width;
			memcpy(next + (b * kept + i) * s->conv, in, s->conv * sizeof *in);
		}
}

void qk_call_delta_prompt(const void *argument, const void *const *inputs, const int64_t *sizes, void *outputs) {
	const int32_t *n = inputs[7];
	float *const *out = outputs;
	struct delta_prompt s = {
		.nk = n[0], .nv = n[1], .dk = n[2], .dv = n[3], .taps = n[4], .tokens = n[7],
		.x = inputs[0], .past = inputs[1], .state = inputs[2], .weight = inputs[3],
		.rate = inputs[4], .bias = inputs[5], .norm = inputs[6],
		.y = out[0], .next_state = out[2], .decay = out[3],
	};
	(void)argument;
	memcpy(&s.eps, &n[5], sizeof s.eps);
	s.conv = 2 * s.nk * s.dk + s.nv * s.dv;
	s.width = s.conv + s.nv * s.dv + 2 * s.nv;
	if (s.tokens < 1)
		return;
	const int64_t sequences = sizes[0] / (s.width * s.tokens);
	qk_run(qk_prompt_kernels(n[6])->delta, &s, sequences * s.nk);
	keep(&s, out[1], sequences);
}

// carried is what an output holds of an input, whose memory it has or not.
static float *carried(void *output, const void *input, int64_t elements) {
	if (output != input)
		memcpy(output, input, elements * sizeof(float));
	return output;
}

void qk_call_attend_prompt(const void *argument, const void *const *inputs, const int64_t *sizes, void *outputs) {
	const int32_t *n = inputs[7], *length = inputs[6];
	void *const *out = outputs;
	struct attend_prompt a = {
		.heads = n[0], .kept = n[1], .dim = n[2], .pairs = n[3], .length = length[0], .gated = n[4], .tokens = n[7],
		.width = ((n[4] ? 2 : 1) * (int64_t)n[0] + 2 * n[1]) * n[2],
		.x = inputs[0], .query_norm = inputs[3], .key_norm = inputs[4], .turns = inputs[5], .y = out[0],
	};
	(void)argument;
	a.rows = sizes[0] / a.width;
	if (a.rows < 1 || a.tokens < 1)
		return;
	memcpy(&a.eps, &n[5], sizeof a.eps);
	const int64_t sequences = a.rows / a.tokens;
	a.capacity = sizes[1] / (sequences * a.kept * a.dim);
	if (a.length + a.tokens > a.capacity)
		abort();
	a.keys = carried(out[1], inputs[1], sizes[1]);
	a.values = carried(out[2], inputs[2], sizes[2]);
	const struct prompt_kernels *k = qk_prompt_kernels(n[6]);
	qk_run(k->place, &a, (a.rows + PLACED - 1) / PLACED);
	qk_run(k->attend, &a, sequences * a.kept * ((a.tokens + TOGETHER - 1) / TOGETHER));
}
