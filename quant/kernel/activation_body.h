// Pieces of rows of the norm, of SwiGLU and of the gate: see layer_body.h.

TARGET static void FN(norm)(const void *argument, int64_t piece) {
	const struct activation *a = argument;
	const int64_t n = a->width;
	for (int64_t row = piece * a->each; row < a->rows && row < (piece + 1) * a->each; row++) {
		const float *x = a->x + row * n, *restrict weight = a->weight;
		float *restrict y = a->y + row * n;
		const float factor = 1 / sqrtf(FN(dot)(x, x, n) / n + a->eps);
		for (int64_t i = 0; i < n; i++)
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

TARGET static void FN(gate)(const void *argument, int64_t piece) {
	const struct activation *a = argument;
	const int64_t from = piece * a->each * a->width, all = a->rows * a->width, end = from + a->each * a->width;
	const float *restrict x = a->x, *restrict gate = a->weight;
	float *restrict y = a->y;
	for (int64_t i = from; i < (end < all ? end : all); i++)
		y[i] = x[i] / (1 + FN(exp32)(-gate[i]));
}
