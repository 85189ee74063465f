//go:build cgo && amd64 && !windows

#ifdef __clang__
#include "product_call.h" // EVEX512
#pragma clang attribute push(__attribute__((target(EVEX512 "avx512f,avx512bw,avx512vl,avx512dq"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,prefer-vector-width=512")
#endif

#include "vector_avx512.h"
#include "prompt.h"

enum { MR = 8 };

// v_least and v_most are b where a or b is NaN.
INLINE vf v_least(vf a, vf b) { return _mm512_min_ps(a, b); }
INLINE vf v_most(vf a, vf b) { return _mm512_max_ps(a, b); }

// v_from is a where x is not less than least, which NaN is not, and else 0.
INLINE vf v_from(vf a, vf x, vf least) { return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, least, _CMP_NLT_UQ), a); }

// v_invert is 1 / x, of x from 1 to the largest, to 2 units in the last place: dividing takes longer.
INLINE vf v_invert(vf x) {
	const vf guess = _mm512_rcp14_ps(x);
	return _mm512_mul_ps(guess, _mm512_fnmadd_ps(x, guess, _mm512_set1_ps(2)));
}

#include "prompt_turn.h"

#define KERNELS qk_prompt_avx512
#include "prompt_body.h"

#ifdef __clang__
#pragma clang attribute pop
#endif
