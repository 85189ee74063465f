// Vectors of floats of NEON, as products and prompts have them: product_body.h, prompt_body.h.
#include <arm_neon.h>
#include <stdint.h>

typedef float32x4_t vf;
enum { VF = 4 };

#define INLINE static inline __attribute__((always_inline))

INLINE vf v_zero(void) { return vdupq_n_f32(0); }
INLINE vf v_set(float x) { return vdupq_n_f32(x); }
INLINE vf v_load(const float *p) { return vld1q_f32(p); }
INLINE void v_store(float *p, vf a) { vst1q_f32(p, a); }
INLINE vf v_add(vf a, vf b) { return vaddq_f32(a, b); }
INLINE vf v_mul(vf a, vf b) { return vmulq_f32(a, b); }
INLINE vf v_fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
INLINE float v_sum(vf a) { return vaddvq_f32(a); }

// v_transpose makes columns of a square's rows.
INLINE void v_transpose(vf v[4]) {
	vf a = vtrn1q_f32(v[0], v[1]), b = vtrn2q_f32(v[0], v[1]), c = vtrn1q_f32(v[2], v[3]), d = vtrn2q_f32(v[2], v[3]);
	v[0] = vcombine_f32(vget_low_f32(a), vget_low_f32(c));
	v[1] = vcombine_f32(vget_low_f32(b), vget_low_f32(d));
	v[2] = vcombine_f32(vget_high_f32(a), vget_high_f32(c));
	v[3] = vcombine_f32(vget_high_f32(b), vget_high_f32(d));
}
