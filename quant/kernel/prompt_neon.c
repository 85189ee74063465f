//go:build cgo && arm64 && !windows

#include "vector_neon.h"
#include "prompt.h"

enum { MR = 8 };

// v_least and v_most are NaN where a or b is.
INLINE vf v_least(vf a, vf b) { return vminq_f32(a, b); }
INLINE vf v_most(vf a, vf b) { return vmaxq_f32(a, b); }

// v_from is a where x is not less than least, which NaN is not, and else 0.
INLINE vf v_from(vf a, vf x, vf least) {
	return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(a), vcltq_f32(x, least)));
}

INLINE vf v_invert(vf x) { return vdivq_f32(vdupq_n_f32(1), x); }

// turn4 writes 4 rows of 4 elements as columns.
INLINE void turn4(float *to, int64_t ts, const float *from, int64_t fs) {
	float32x4x4_t rows = {{vld1q_f32(from), vld1q_f32(from + fs), vld1q_f32(from + 2 * fs), vld1q_f32(from + 3 * fs)}};
	float all[16];
	vst4q_f32(all, rows);
	for (int i = 0; i < 4; i++)
		vst1q_f32(to + i * ts, vld1q_f32(all + 4 * i));
}

#define KERNELS qk_prompt_base
#include "prompt_body.h"
