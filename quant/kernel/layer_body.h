// What the operations of layer.c have in common, compiled once for each instruction set.

// exp32 is e^x to 2 units in the last place, for x cut to [-87, 88], where float32 has it.
INLINE TARGET float FN(exp32)(float x) {
	x = x > 88 ? 88 : x;
	x = x < -87 ? -87 : x;
	float z = x * 1.4426950408889634f + 12582912.f, n = z - 12582912.f;
	float r = x - n * 0.693359375f - n * -2.12194440e-4f, r2 = r * r;
	float p = 1 + r + r2 * (0.5f + r * (1.f / 6) + r2 * (1.f / 24 + r * (1.f / 120) + r2 * (1.f / 720)));
	int32_t bits;
	memcpy(&bits, &z, 4);
	bits = (int32_t)((uint32_t)bits << 23) + (127 << 23);
	float power;
	memcpy(&power, &bits, 4);
	return p * power;
}

INLINE TARGET float FN(silu)(float x) { return x / (1 + FN(exp32)(-x)); }

INLINE TARGET float FN(dot)(const float *a, const float *b, int64_t n) {
	float sum[LANES] = {0};
	int64_t i = 0;
	for (; i + LANES <= n; i += LANES)
		for (int l = 0; l < LANES; l++)
			sum[l] += a[i + l] * b[i + l];
	for (; i < n; i++)
		sum[i % LANES] += a[i] * b[i];
	for (int half = LANES / 2; half > 0; half /= 2)
		for (int l = 0; l < half; l++)
			sum[l] += sum[l + half];
	return sum[0];
}

#include "activation_body.h"
#include "delta_body.h"
#include "attend_body.h"
#include "likeliest_body.h"
