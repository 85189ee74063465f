//go:build cgo && amd64 && !windows

// What every x86-64 CPU has: SSE2, without fused products.

#include <emmintrin.h>
#include "prompt.h"

typedef __m128 vf;
enum { VF = 4, MR = 4 };

#define INLINE static inline __attribute__((always_inline))

INLINE vf v_zero(void) { return _mm_setzero_ps(); }
INLINE vf v_set(float x) { return _mm_set1_ps(x); }
INLINE vf v_load(const float *p) { return _mm_loadu_ps(p); }
INLINE void v_store(float *p, vf a) { _mm_storeu_ps(p, a); }
INLINE vf v_fma(vf a, vf b, vf c) { return _mm_add_ps(_mm_mul_ps(a, b), c); }

INLINE float v_sum(vf a) {
	a = _mm_add_ps(a, _mm_movehl_ps(a, a));
	return _mm_cvtss_f32(_mm_add_ss(a, _mm_shuffle_ps(a, a, 1)));
}

// v_least and v_most are b where a or b is NaN.
INLINE vf v_least(vf a, vf b) { return _mm_min_ps(a, b); }
INLINE vf v_most(vf a, vf b) { return _mm_max_ps(a, b); }

// v_from is a where x is not less than least, which NaN is not, and else 0.
INLINE vf v_from(vf a, vf x, vf least) { return _mm_and_ps(a, _mm_cmpnlt_ps(x, least)); }

INLINE vf v_invert(vf x) { return _mm_div_ps(_mm_set1_ps(1), x); }

#include "prompt_turn.h"

#define KERNELS qk_prompt_base
#include "prompt_body.h"
