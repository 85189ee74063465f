//go:build cgo && amd64 && !windows

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif

#include <immintrin.h>
#include "prompt.h"

typedef __m256 vf;
enum { VF = 8, MR = 4 };

#define INLINE static inline __attribute__((always_inline))

INLINE vf v_zero(void) { return _mm256_setzero_ps(); }
INLINE vf v_set(float x) { return _mm256_set1_ps(x); }
INLINE vf v_load(const float *p) { return _mm256_loadu_ps(p); }
INLINE void v_store(float *p, vf a) { _mm256_storeu_ps(p, a); }
INLINE vf v_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }

INLINE float v_sum(vf a) {
	__m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
	s = _mm_add_ps(s, _mm_movehl_ps(s, s));
	return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}

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
