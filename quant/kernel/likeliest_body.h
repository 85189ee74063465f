// The largest of a share of logits: see layer_body.h.

TARGET static void FN(likeliest)(const void *argument, int64_t piece) {
	const struct likeliest *a = argument;
	const int64_t from = piece % a->shares * LOGITS, n = a->size - from < LOGITS ? a->size - from : LOGITS;
	const float *x = a->x + piece / a->shares * a->width + from;
	struct found *found = &a->found[piece];
	float most[LANES];
	int32_t size[LANES] = {0}; // bits without the sign: from those of infinity on they are not finite
	for (int l = 0; l < LANES; l++)
		most[l] = x[0];
	int64_t i = 0;
	for (; i + LANES <= n; i += LANES) {
		int32_t bits[LANES];
		memcpy(bits, x + i, sizeof bits);
		for (int l = 0; l < LANES; l++) {
			most[l] = x[i + l] > most[l] ? x[i + l] : most[l];
			bits[l] &= 0x7FFFFFFF;
			size[l] = bits[l] > size[l] ? bits[l] : size[l];
		}
	}
	for (; i < n; i++) {
		int32_t bits;
		memcpy(&bits, x + i, sizeof bits);
		most[0] = x[i] > most[0] ? x[i] : most[0];
		size[0] = (bits & 0x7FFFFFFF) > size[0] ? bits & 0x7FFFFFFF : size[0];
	}
	*found = (struct found){.most = most[0], .finite = 1};
	for (int l = 0; l < LANES; l++) {
		found->most = most[l] > found->most ? most[l] : found->most;
		found->finite &= size[l] < 0x7F800000;
	}
	for (found->at = 0; found->at < n - 1 && x[found->at] != found->most;)
		found->at++;
	found->at += from;
}
