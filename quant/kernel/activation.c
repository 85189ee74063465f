//go:build cgo && (amd64 || arm64) && !windows

// The RMS norm and SwiGLU as functions of a graph. activation_ref.go is the definition. Each piece of work
// is a few rows, so that the work for one token stays on the thread that has it.

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#else
#pragma GCC optimize("no-trapping-math")
#endif

#include "activation.h"
#include "product.h"
#include <math.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

// LANES partial sums are kept of a sum of squares; a piece has so many elements, or one row.
enum { LANES = 16, PIECE = 1 << 13 };

struct activation {
	int64_t rows, width, each; // each: rows of a piece
	float eps;
	const float *x, *weight;
	float *y;
};

#define TARGET
#define FN(name) name##_base
#include "activation_body.h"
#undef TARGET
#undef FN

#ifdef __x86_64__
#define TARGET __attribute__((target("avx2")))
#define FN(name) name##_avx2
#include "activation_body.h"
#undef TARGET
#undef FN
#define CHOOSE(name, isa) (isa >= AVX2 ? name##_avx2 : name##_base)
#else
#define CHOOSE(name, isa) name##_base
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

void qk_call_norm(const void *argument, const void *const *inputs, const int64_t *sizes, void *output) {
	const int32_t *n = inputs[2];
	(void)argument;
	struct activation a = prepare(n, sizes[0]);
	a.x = inputs[0], a.weight = inputs[1], a.y = output;
	run(CHOOSE(norm, n[2]), &a);
}

void qk_call_swiglu(const void *argument, const void *const *inputs, const int64_t *sizes, void *output) {
	const int32_t *n = inputs[1];
	(void)argument;
	struct activation a = prepare(n, sizes[0] / 2);
	a.x = inputs[0], a.y = output;
	run(CHOOSE(swiglu, n[2]), &a);
}
