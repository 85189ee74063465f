// Vectors of floats of AVX2, as products and prompts have them: product_body.h, prompt_body.h.
#include <immintrin.h>
#include <stdint.h>

typedef __m256 vf;
enum { VF = 8 };

#define INLINE static inline __attribute__((always_inline))

INLINE vf v_zero(void) { return _mm256_setzero_ps(); }
INLINE vf v_set(float x) { return _mm256_set1_ps(x); }
INLINE vf v_load(const float *p) { return _mm256_loadu_ps(p); }
INLINE void v_store(float *p, vf a) { _mm256_storeu_ps(p, a); }
INLINE vf v_add(vf a, vf b) { return _mm256_add_ps(a, b); }
INLINE vf v_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
INLINE vf v_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }

INLINE float v_sum(vf a) {
	__m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
	s = _mm_add_ps(s, _mm_movehl_ps(s, s));
	return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}

// v_transpose makes columns of a square's rows.
INLINE void v_transpose(vf v[8]) {
	vf a[8], b[8];
	for (int i = 0; i < 8; i += 2) {
		a[i] = _mm256_unpacklo_ps(v[i], v[i + 1]);
		a[i + 1] = _mm256_unpackhi_ps(v[i], v[i + 1]);
	}
	for (int i = 0; i < 8; i += 4) // in each half of b[i+k] column k of its four, of rows i to i+3
		for (int k = 0; k < 2; k++) {
			__m256d c = _mm256_castps_pd(a[i + k]), d = _mm256_castps_pd(a[i + k + 2]);
			b[i + 2 * k] = _mm256_castpd_ps(_mm256_unpacklo_pd(c, d));
			b[i + 2 * k + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(c, d));
		}
	for (int k = 0; k < 4; k++) {
		v[k] = _mm256_permute2f128_ps(b[k], b[4 + k], 0x20);
		v[4 + k] = _mm256_permute2f128_ps(b[k], b[4 + k], 0x31);
	}
}
