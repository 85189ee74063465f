//go:build cgo && (amd64 || arm64) && !windows

// One token through the middle of a Gated DeltaNet layer. delta_ref.go is the definition; see DeltaStep for
// what the arrays hold. Each piece of work is one value head of one sequence.

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#else
#pragma GCC optimize("no-trapping-math")
#endif

#include "product.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

// LANES partial sums are kept of a dot product, so that a compiler can make vectors of them.
enum { LANES = 16 };

// step is one call: the arrays, and the sizes by which they are read.
struct step {
	int64_t nk, nv, dk, dv, taps, width, conv; // conv: channels of the convolution
	float eps;
	const float *x, *past, *state, *weight, *rate, *bias, *norm;
	float *y, *next_past, *next_state, *decay;
	float *room; // of each piece: query, key and value
};

#define TARGET
#define FN(name) name##_base
#include "delta_body.h"
#undef TARGET
#undef FN

#ifdef __x86_64__
#define TARGET __attribute__((target("avx2")))
#define FN(name) name##_avx2
#include "delta_body.h"
#undef TARGET
#undef FN

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))
#define FN(name) name##_avx512
#include "delta_body.h"
#undef TARGET
#undef FN
#define HEAD(isa) (isa == AVX512 ? head_avx512 : isa == AVX2 ? head_avx2 : head_base)
#else
#define HEAD(isa) head_base
#endif

void qk_call_delta(const void *argument, const void *const *inputs, const int64_t *sizes, void *outputs) {
	const int32_t *n = inputs[7];
	float *const *out = outputs;
	struct step s = {
		.nk = n[0], .nv = n[1], .dk = n[2], .dv = n[3], .taps = n[4],
		.x = inputs[0], .past = inputs[1], .state = inputs[2], .weight = inputs[3],
		.rate = inputs[4], .bias = inputs[5], .norm = inputs[6],
		.y = out[0], .next_past = out[1], .next_state = out[2], .decay = out[3],
	};
	(void)argument;
	memcpy(&s.eps, &n[5], sizeof s.eps);
	s.conv = 2 * s.nk * s.dk + s.nv * s.dv;
	s.width = s.conv + s.nv * s.dv + 2 * s.nv;
	int64_t pieces = sizes[0] / s.width * s.nv;
	s.room = malloc(pieces * (2 * s.dk + s.dv) * sizeof *s.room);
	if (pieces > 0 && !s.room)
		abort();
	qk_run(HEAD(n[6]), &s, pieces);
	free(s.room);
}
