// Vectors of floats of SSE2, without fused products, as products and prompts have them: product_body.h, prompt_body.h.
#include <emmintrin.h>
#include <stdint.h>

typedef __m128 vf;
enum { VF = 4 };

#define INLINE static inline __attribute__((always_inline))

INLINE vf v_zero(void) { return _mm_setzero_ps(); }
INLINE vf v_set(float x) { return _mm_set1_ps(x); }
INLINE vf v_load(const float *p) { return _mm_loadu_ps(p); }
INLINE void v_store(float *p, vf a) { _mm_storeu_ps(p, a); }
INLINE vf v_add(vf a, vf b) { return _mm_add_ps(a, b); }
INLINE vf v_mul(vf a, vf b) { return _mm_mul_ps(a, b); }
INLINE vf v_fma(vf a, vf b, vf c) { return _mm_add_ps(_mm_mul_ps(a, b), c); }

INLINE float v_sum(vf a) {
	a = _mm_add_ps(a, _mm_movehl_ps(a, a));
	return _mm_cvtss_f32(_mm_add_ss(a, _mm_shuffle_ps(a, a, 1)));
}

// v_transpose makes columns of a square's rows.
INLINE void v_transpose(vf v[4]) { _MM_TRANSPOSE4_PS(v[0], v[1], v[2], v[3]); }
