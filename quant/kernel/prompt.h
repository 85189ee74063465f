// What prompt.c hands to the kernels of an instruction set: the middle of layers for several tokens of a sequence.
#ifndef QK_PROMPT_H
#define QK_PROMPT_H

#include "layer.h"
#include "product.h"

// delta_prompt is one call of DeltaPrompt: the arrays, and the sizes by which they are read.
struct delta_prompt {
	int64_t tokens, nk, nv, dk, dv, taps, width, conv; // tokens of each sequence; conv: channels of the convolution
	float eps;
	const float *x, *past, *state, *weight, *rate, *bias, *norm;
	float *y, *next_state, *decay;
};

// attend_prompt is one call of AttendPrompt: kept are the heads of keys and values, length the places before the
// tokens' own.
struct attend_prompt {
	int64_t tokens, rows, heads, kept, dim, pairs, width, length, capacity; // rows: tokens of all sequences
	int gated;
	float eps;
	const float *x, *query_norm, *key_norm, *turns;
	float *y, *keys, *values;
};

// Tokens whose queries are worked on together, and rows whose keys are placed together.
enum { TOGETHER = 32, PLACED = 8 };

// qk_carry takes the state [dv, dk] of a value head over a single token, from `from` to `to`, which may be the same
// memory, and writes what is read of it to o [dv].
typedef void qk_carry(float *o, const float *from, float *to, const float *q, const float *k, const float *v, float decay, float beta, int64_t dv, int64_t dk);

// qk_prompt_kernels are those of an instruction set.
const struct prompt_kernels *qk_prompt_kernels(int isa);

// prompt_kernels is what an instruction set computes with, as tasks of qk_run. A piece of delta is a key head of a
// sequence with its value heads, of place PLACED rows, of attend TOGETHER tokens at a kept head of a sequence.
// carry is that of DeltaStep, in layer.c.
struct prompt_kernels {
	void (*delta)(const void *, int64_t), (*place)(const void *, int64_t), (*attend)(const void *, int64_t);
	qk_carry *carry;
};

extern const struct prompt_kernels qk_prompt_base, qk_prompt_avx2, qk_prompt_avx512;

#endif
