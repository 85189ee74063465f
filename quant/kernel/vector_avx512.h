// Vectors of floats of AVX-512, as products and prompts have them: product_body.h, prompt_body.h.
#include <immintrin.h>
#include <stdint.h>

typedef __m512 vf;
enum { VF = 16 };

#define INLINE static inline __attribute__((always_inline))

INLINE vf v_zero(void) { return _mm512_setzero_ps(); }
INLINE vf v_set(float x) { return _mm512_set1_ps(x); }
INLINE vf v_load(const float *p) { return _mm512_loadu_ps(p); }
INLINE void v_store(float *p, vf a) { _mm512_storeu_ps(p, a); }
INLINE vf v_add(vf a, vf b) { return _mm512_add_ps(a, b); }
INLINE vf v_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
INLINE vf v_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
INLINE float v_sum(vf a) { return _mm512_reduce_add_ps(a); }

// v_transpose makes columns of a square's rows.
INLINE void v_transpose(vf v[16]) {
	vf a[16], b[16];
#pragma GCC unroll 8
	for (int i = 0; i < 16; i += 2) {
		a[i] = _mm512_unpacklo_ps(v[i], v[i + 1]);
		a[i + 1] = _mm512_unpackhi_ps(v[i], v[i + 1]);
	}
#pragma GCC unroll 4
	for (int i = 0; i < 16; i += 4) // in each quarter of b[i+k] column k of its four, of rows i to i+3
#pragma GCC unroll 2
		for (int k = 0; k < 2; k++) {
			__m512d c = _mm512_castps_pd(a[i + k]), d = _mm512_castps_pd(a[i + k + 2]);
			b[i + 2 * k] = _mm512_castpd_ps(_mm512_unpacklo_pd(c, d));
			b[i + 2 * k + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(c, d));
		}
#pragma GCC unroll 4
	for (int k = 0; k < 4; k++) {
		vf even = _mm512_shuffle_f32x4(b[k], b[4 + k], 0x88), odd = _mm512_shuffle_f32x4(b[k], b[4 + k], 0xDD);
		vf even2 = _mm512_shuffle_f32x4(b[8 + k], b[12 + k], 0x88), odd2 = _mm512_shuffle_f32x4(b[8 + k], b[12 + k], 0xDD);
		v[k] = _mm512_shuffle_f32x4(even, even2, 0x88);
		v[4 + k] = _mm512_shuffle_f32x4(odd, odd2, 0x88);
		v[8 + k] = _mm512_shuffle_f32x4(even, even2, 0xDD);
		v[12 + k] = _mm512_shuffle_f32x4(odd, odd2, 0xDD);
	}
}
