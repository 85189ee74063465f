// Pieces of rows of the functions in activation.c, compiled once for each instruction set.

// silu is x / (1 + e^-x), with the exponential to 2 units in the last place.
INLINE TARGET float FN(silu)(float x) {
	float e = x > 87 ? -87 : x < -88 ? 88 : -x;
	float z = e * 1.4426950408889634f + 12582912.f, n = z - 12582912.f;
	float r = e - n * 0.693359375f - n * -2.12194440e-4f, r2 = r * r;
	float p = 1 + r + r2 * (0.5f + r * (1.f / 6) + r2 * (1.f / 24 + r * (1.f / 120) + r2 * (1.f / 720)));
	int32_t bits;
	memcpy(&bits, &z, 4);
	bits = (int32_t)((uint32_t)bits << 23) + (127 << 23);
	float power;
	memcpy(&power, &bits, 4);
	return x / (1 + p * power);
}

TARGET static void FN(norm)(const void *argument, int64_t piece) {
	const struct activation *a = argument;
	const int64_t n = a->width;
	for (int64_t row = piece * a->each; row < a->rows && row < (piece + 1) * a->each; row++) {
		const float *restrict x = a->x + row * n, *restrict weight = a->weight;
		float *restrict y = a->y + row * n;
		float sum[LANES] = {0};
		int64_t i = 0;
		for (; i + LANES <= n; i += LANES)
			for (int l = 0; l < LANES; l++)
				sum[l] += x[i + l] * x[i + l];
		for (; i < n; i++)
			sum[i % LANES] += x[i] * x[i];
		for (int half = LANES / 2; half > 0; half /= 2)
			for (int l = 0; l < half; l++)
				sum[l] += sum[l + half];
		const float factor = 1 / sqrtf(sum[0] / n + a->eps);
		for (i = 0; i < n; i++)
			y[i] = x[i] * factor * weight[i];
	}
}

TARGET static void FN(swiglu)(const void *argument, int64_t piece) {
	const struct activation *a = argument;
	const int64_t n = a->width;
	for (int64_t row = piece * a->each; row < a->rows && row < (piece + 1) * a->each; row++) {
		const float *restrict gate = a->x + 2 * row * n, *restrict up = gate + n;
		float *restrict y = a->y + row * n;
		for (int64_t i = 0; i < n; i++)
			y[i] = FN(silu)(gate[i]) * up[i];
	}
}
