// One value head of DeltaStep: see layer_body.h.

// convolve writes silu of the convolution's channels [from, from+n) of sequence b.
INLINE TARGET void FN(convolve)(float *restrict dst, const struct step *s, int64_t b, int64_t from, int64_t n) {
	const float *past = s->past + b * (s->taps - 1) * s->conv + from, *now = s->x + b * s->width + from;
	memset(dst, 0, n * sizeof *dst);
	for (int64_t tap = 0; tap < s->taps; tap++) {
		const float *in = tap < s->taps - 1 ? past + tap * s->conv : now, *w = s->weight + tap * s->conv + from;
		for (int64_t i = 0; i < n; i++)
			dst[i] += in[i] * w[i];
	}
	for (int64_t i = 0; i < n; i++)
		dst[i] = FN(silu)(dst[i]);
}

// keep writes the past of channels [from, from+n) of sequence b as it is after the token.
INLINE TARGET void FN(keep)(const struct step *s, int64_t b, int64_t from, int64_t n) {
	int64_t kept = s->taps - 1, at = b * kept * s->conv + from;
	for (int64_t tap = 0; tap < kept; tap++) {
		const float *in = tap + 1 < kept ? s->past + at + (tap + 1) * s->conv : s->x + b * s->width + from;
		memcpy(s->next_past + at + tap * s->conv, in, n * sizeof *in);
	}
}

// unit gives x [n] the length 1, times scale.
INLINE TARGET void FN(unit)(float *restrict x, int64_t n, float scale) {
	float factor = scale / sqrtf(FN(dot)(x, x, n) + 1e-6f);
	for (int64_t i = 0; i < n; i++)
		x[i] *= factor;
}

TARGET static void FN(head)(const void *argument, int64_t piece) {
	const struct step *s = argument;
	int64_t b = piece / s->nv, h = piece % s->nv, key = h / (s->nv / s->nk), keys = s->nk * s->dk;
	float *q = s->room + piece * (2 * s->dk + s->dv), *k = q + s->dk, *v = k + s->dk;
	FN(convolve)(q, s, b, key * s->dk, s->dk);
	FN(convolve)(k, s, b, keys + key * s->dk, s->dk);
	FN(convolve)(v, s, b, 2 * keys + h * s->dv, s->dv);
	if (h % (s->nv / s->nk) == 0) {
		FN(keep)(s, b, key * s->dk, s->dk);
		FN(keep)(s, b, keys + key * s->dk, s->dk);
	}
	FN(keep)(s, b, 2 * keys + h * s->dv, s->dv);
	FN(unit)(q, s->dk, 1 / sqrtf((float)s->dk));
	FN(unit)(k, s->dk, 1);

	const float *gate = s->x + b * s->width + s->conv, *tail = gate + s->nv * s->dv; // z, then b and a
	float beta = 1 / (1 + FN(exp32)(-tail[h])), a = tail[s->nv + h] + s->bias[h];
	double softplus = fmax(a, 0) + log1p(exp(-fabs(a)));
	float decay = (float)exp(s->rate[h] * softplus);
	s->decay[piece] = decay;

	float *y = s->y + piece * s->dv;
	int64_t at = piece * s->dv * s->dk;
	s->carry(y, s->state + at, s->next_state + at, q, k, v, decay, beta, s->dv, s->dk);
	float factor = 1 / sqrtf(FN(dot)(y, y, s->dv) / (float)s->dv + s->eps);
	for (int64_t i = 0; i < s->dv; i++)
		y[i] = y[i] * factor * s->norm[i] * FN(silu)(gate[h * s->dv + i]);
}
