// A product of two thin matrices, added. A piece of a stays in the first-level cache for all rows, and
// four products are added to an element while it is in a register. See native_body.h.

INLINE TARGET void FN(add_four)(float *restrict d, const float *b, const float *restrict x, size_t cols, size_t n) {
	float b0 = b[0], b1 = b[1], b2 = b[2], b3 = b[3];
	const float *restrict x1 = x + cols, *restrict x2 = x1 + cols, *restrict x3 = x2 + cols;
	for (size_t i = 0; i < n; i++)
		d[i] = (((d[i] + b0 * x[i]) + b1 * x1[i]) + b2 * x2[i]) + b3 * x3[i];
}

TARGET static void FN(add_low_rank)(float *restrict dst, const float *restrict b, const float *restrict a, size_t rows, size_t rank, size_t cols) {
	for (size_t at = 0; at < cols; at += PIECE) {
		size_t n = cols - at < PIECE ? cols - at : PIECE;
		for (size_t row = 0; row < rows; row++) {
			float *restrict d = dst + row * cols + at;
			size_t k = 0;
			for (; k + 4 <= rank; k += 4)
				FN(add_four)(d, b + row * rank + k, a + k * cols + at, cols, n);
			for (; k < rank; k++)
				for (size_t i = 0; i < n; i++)
					d[i] += b[row * rank + k] * a[k * cols + at + i];
		}
	}
}
