// turn4 writes 4 rows of 4 elements as columns.
INLINE void turn4(float *to, int64_t ts, const float *from, int64_t fs) {
	__m128 a = _mm_loadu_ps(from), b = _mm_loadu_ps(from + fs), c = _mm_loadu_ps(from + 2 * fs), d = _mm_loadu_ps(from + 3 * fs);
	_MM_TRANSPOSE4_PS(a, b, c, d);
	_mm_storeu_ps(to, a);
	_mm_storeu_ps(to + ts, b);
	_mm_storeu_ps(to + 2 * ts, c);
	_mm_storeu_ps(to + 3 * ts, d);
}
