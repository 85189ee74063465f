//go:build cgo && amd64 && !windows

// What every x86-64 CPU has: SSE2, without fused products.

#include "vector_sse2.h"
#include "prompt.h"

enum { MR = 4 };

// v_least and v_most are b where a or b is NaN.
INLINE vf v_least(vf a, vf b) { return _mm_min_ps(a, b); }
INLINE vf v_most(vf a, vf b) { return _mm_max_ps(a, b); }

// v_from is a where x is not less than least, which NaN is not, and else 0.
INLINE vf v_from(vf a, vf x, vf least) { return _mm_and_ps(a, _mm_cmpnlt_ps(x, least)); }

INLINE vf v_invert(vf x) { return _mm_div_ps(_mm_set1_ps(1), x); }

#include "prompt_turn.h"

#define KERNELS qk_prompt_base
#include "prompt_body.h"
