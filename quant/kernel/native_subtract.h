// A product of two matrices, subtracted, in float64. Tiles of 4 rows and TILE columns, two vectors, stay in
// registers while the products of a block are subtracted from them; what they are made of is laid out for that
// first. See native_body.h.
#define TILE (2 * DOUBLES)

typedef double FN(doubles) __attribute__((vector_size(8 * DOUBLES), aligned(8), may_alias));

INLINE TARGET void FN(subtract_tile)(double *d, size_t stride, const double *a, const double *b, size_t k) {
	FN(doubles) t[4][2];
	for (int i = 0; i < 4; i++) {
		t[i][0] = *(const FN(doubles) *)(d + i * stride);
		t[i][1] = *(const FN(doubles) *)(d + i * stride + DOUBLES);
	}
	for (size_t p = 0; p < k; p++, a += 4, b += TILE) {
		FN(doubles) b0 = *(const FN(doubles) *)b, b1 = *(const FN(doubles) *)(b + DOUBLES);
		for (int i = 0; i < 4; i++) {
			t[i][0] -= a[i] * b0;
			t[i][1] -= a[i] * b1;
		}
	}
	for (int i = 0; i < 4; i++) {
		*(FN(doubles) *)(d + i * stride) = t[i][0];
		*(FN(doubles) *)(d + i * stride + DOUBLES) = t[i][1];
	}
}

// subtract_edge is what tiles leave: fewer than 4 rows or TILE columns.
INLINE TARGET void FN(subtract_edge)(double *d, size_t stride, const double *a, size_t ra, const double *b, size_t rb, size_t m, size_t n, size_t k) {
	for (size_t i = 0; i < m; i++)
		for (size_t p = 0; p < k; p++)
			for (size_t j = 0; j < n; j++)
				d[i * stride + j] -= a[p * ra + i] * b[p * rb + j];
}

// subtract_block is at most DEEP products of each element, of at most WIDE columns.
INLINE TARGET void FN(subtract_block)(double *d, size_t stride, const double *a, size_t ra, const double *b, size_t rb, size_t m, size_t n, size_t k) {
	double left[4 * DEEP], right[WIDE * DEEP];
	size_t whole = n / TILE * TILE, i = 0;
	for (size_t j = 0; j < whole; j += TILE)
		for (size_t p = 0; p < k; p++)
			memcpy(right + (j * k + TILE * p), b + p * rb + j, TILE * sizeof *b);
	for (; i + 4 <= m; i += 4) {
		for (size_t p = 0; p < k; p++)
			memcpy(left + 4 * p, a + p * ra + i, 4 * sizeof *a);
		for (size_t j = 0; j < whole; j += TILE)
			FN(subtract_tile)(d + i * stride + j, stride, left, right + j * k, k);
	}
	FN(subtract_edge)(d + i * stride, stride, a + i, ra, b, rb, m - i, whole, k);
	FN(subtract_edge)(d + whole, stride, a, ra, b + whole, rb, m, n - whole, k);
}

TARGET static void FN(subtract_product)(double *d, size_t stride, const double *a, size_t ra, const double *b, size_t rb, size_t m, size_t n, size_t k) {
	for (size_t p = 0; p < k; p += DEEP)
		for (size_t j = 0; j < n; j += WIDE)
			FN(subtract_block)(d + j, stride, a + p * ra, ra, b + p * rb + j, rb, m, n - j < WIDE ? n - j : WIDE, k - p < DEEP ? k - p : DEEP);
}

#undef TILE
