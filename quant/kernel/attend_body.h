// One token's look at the keys and values of its sequence: see layer_body.h.

// place_head gives a query or key x [dim] the norm and turns it to its position.
INLINE TARGET void FN(place_head)(float *restrict y, const float *x, const float *restrict norm, const struct attend *a) {
	const float factor = 1 / sqrtf(FN(dot)(x, x, a->dim) / (float)a->dim + a->eps);
	const float *cos = a->turns, *sin = cos + a->pairs;
	for (int64_t i = 0; i < a->dim; i++)
		y[i] = x[i] * factor * norm[i];
	for (int64_t i = 0; i < a->pairs; i++) {
		const float first = y[i], second = y[a->pairs + i];
		y[i] = first * cos[i] - second * sin[i];
		y[a->pairs + i] = second * cos[i] + first * sin[i];
	}
}

// place makes the queries of sequence b, and adds its key and value to those that are kept.
TARGET static void FN(place)(const struct attend *a, int64_t b) {
	const float *x = a->x + b * a->width, scale = 1 / sqrtf((float)a->dim);
	float *q = a->queries + b * a->heads * a->dim;
	for (int64_t h = 0; h < a->heads; h++, x += a->dim)
		FN(place_head)(q + h * a->dim, x, a->query_norm, a);
	for (int64_t i = 0; i < a->heads * a->dim; i++)
		q[i] *= scale;
	for (int64_t h = 0; h < a->kept; h++, x += a->dim) {
		const int64_t at = ((b * a->kept + h) * a->capacity + a->length - 1) * a->dim;
		FN(place_head)(a->keys + at, x, a->key_norm, a);
		memcpy(a->values + at, x + a->kept * a->dim, a->dim * sizeof *x);
	}
}

// look is a share of the places that the queries of one kept head look at. Of each query it leaves, behind the
// weights of the places, the largest score, the sum of the weights and that of the weighted values.
TARGET static void FN(look)(const void *argument, int64_t piece) {
	const struct attend *a = argument;
	const int64_t head = piece / a->shares, from = piece % a->shares * SHARE, each = a->heads / a->kept;
	const int64_t n = a->length - from < SHARE ? a->length - from : SHARE, at = (head * a->capacity + from) * a->dim;
	const float *queries = a->queries + head * each * a->dim;
	float *parts = a->parts + piece * each * PART(a->dim);
	for (int64_t p = 0; p < n; p++)
		for (int64_t j = 0; j < each; j++)
			parts[j * PART(a->dim) + p] = FN(dot)(queries + j * a->dim, a->keys + at + p * a->dim, a->dim);
	for (int64_t j = 0; j < each; j++) {
		float *restrict w = parts + j * PART(a->dim), most = w[0], sum = 0;
		for (int64_t p = 1; p < n; p++)
			most = w[p] > most ? w[p] : most;
		for (int64_t p = 0; p < n; p++)
			w[p] = FN(exp32)(w[p] - most);
		for (int64_t p = 0; p < n; p++)
			sum += w[p];
		w[SHARE] = most, w[SHARE + 1] = sum;
		memset(w + SHARE + 2, 0, a->dim * sizeof *w);
	}
	for (int64_t p = 0; p < n; p++)
		for (int64_t j = 0; j < each; j++) {
			const float weight = parts[j * PART(a->dim) + p], *restrict value = a->values + at + p * a->dim;
			float *restrict o = parts + j * PART(a->dim) + SHARE + 2;
			for (int64_t i = 0; i < a->dim; i++)
				o[i] += weight * value[i];
		}
}

// join adds up the shares of query head h of all sequences, and lets through what its gate does.
TARGET static void FN(join)(const struct attend *a, int64_t h) {
	const int64_t each = a->heads / a->kept, stride = each * PART(a->dim);
	const float *part = a->parts + h / each * a->shares * stride + h % each * PART(a->dim) + SHARE;
	float *restrict y = a->y + h * a->dim, most = part[0], sum = 0;
	for (int64_t i = 1; i < a->shares; i++)
		most = part[i * stride] > most ? part[i * stride] : most;
	memset(y, 0, a->dim * sizeof *y);
	for (int64_t i = 0; i < a->shares; i++, part += stride) {
		const float weight = FN(exp32)(part[0] - most);
		sum += weight * part[1];
		for (int64_t k = 0; k < a->dim; k++)
			y[k] += weight * part[2 + k];
	}
	for (int64_t k = 0; k < a->dim; k++)
		y[k] /= sum;
	if (!a->gated)
		return;
	const float *gate = a->x + h / a->heads * a->width + (a->heads + 2 * a->kept + h % a->heads) * a->dim;
	for (int64_t k = 0; k < a->dim; k++)
		y[k] /= 1 + FN(exp32)(-gate[k]);
}

TARGET static void FN(attend)(const struct attend *a, int64_t rows) {
	for (int64_t b = 0; b < rows; b++)
		FN(place)(a, b);
	qk_run(FN(look), a, rows * a->kept * a->shares);
	for (int64_t h = 0; h < rows * a->heads; h++)
		FN(join)(a, h);
}
