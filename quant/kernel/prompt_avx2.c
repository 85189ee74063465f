//go:build cgo && amd64 && !windows

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif

#include "vector_avx2.h"
#include "prompt.h"

enum { MR = 4 };

// v_least and v_most are b where a or b is NaN.
INLINE vf v_least(vf a, vf b) { return _mm256_min_ps(a, b); }
INLINE vf v_most(vf a, vf b) { return _mm256_max_ps(a, b); }

// v_from is a where x is not less than least, which NaN is not, and else 0.
INLINE vf v_from(vf a, vf x, vf least) { return _mm256_and_ps(a, _mm256_cmp_ps(x, least, _CMP_NLT_UQ)); }

INLINE vf v_invert(vf x) { return _mm256_div_ps(_mm256_set1_ps(1), x); }

#include "prompt_turn.h"

#define KERNELS qk_prompt_avx2
#include "prompt_body.h"

#ifdef __clang__
#pragma clang attribute pop
#endif
