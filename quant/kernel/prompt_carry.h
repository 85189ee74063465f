// A state over a single token, which DeltaStep of layer.c calls. See prompt_body.h.

// CARRIED rows of a state are carried together: their sums do not wait for each other. What lies CARRY_AHEAD elements
// further on is asked for as it lies, since memory does not see an order in rows that are read together.
enum { CARRIED = 4, CARRY_AHEAD = 2048 };

// carry_rows carries rows [n, dk] of a state, n up to CARRIED, and writes what is read of them.
INLINE void carry_rows(float *restrict o, const float *from, float *to, const float *restrict q, const float *restrict k, const float *restrict v, float decay, float beta, int64_t n, int64_t dk) {
	vf known[CARRIED], read[CARRIED], change[CARRIED], keep = v_set(decay);
	for (int64_t line = 0; line < n * dk; line += 64 / sizeof *from)
		__builtin_prefetch(from + CARRY_AHEAD + line, 0, 2);
#pragma GCC unroll 4
	for (int i = 0; i < n; i++)
		known[i] = read[i] = v_zero();
	for (int64_t j = 0; j < dk; j += VF) {
		const vf key = v_some(k + j, dk - j);
#pragma GCC unroll 4
		for (int i = 0; i < n; i++)
			known[i] = v_fma(v_some(from + i * dk + j, dk - j) * keep, key, known[i]);
	}
#pragma GCC unroll 4
	for (int i = 0; i < n; i++)
		change[i] = v_set(beta * (v[i] - v_sum(known[i])));
	for (int64_t j = 0; j < dk; j += VF) {
		const vf key = v_some(k + j, dk - j), query = v_some(q + j, dk - j);
#pragma GCC unroll 4
		for (int i = 0; i < n; i++) {
			const vf row = v_fma(change[i], key, v_some(from + i * dk + j, dk - j) * keep);
			v_put(to + i * dk + j, row, dk - j);
			read[i] = v_fma(row, query, read[i]);
		}
	}
#pragma GCC unroll 4
	for (int i = 0; i < n; i++)
		o[i] = v_sum(read[i]);
}

// carry takes the state [dv, dk] of a head over one token, into the same memory or other, and writes o [dv].
static void carry(float *restrict o, const float *from, float *to, const float *restrict q, const float *restrict k, const float *restrict v, float decay, float beta, int64_t dv, int64_t dk) {
	int64_t i = 0;
	for (; i + CARRIED <= dv; i += CARRIED)
		carry_rows(o + i, from + i * dk, to + i * dk, q, k, v + i, decay, beta, CARRIED, dk);
	for (; i < dv; i++)
		carry_rows(o + i, from + i * dk, to + i * dk, q, k, v + i, decay, beta, 1, dk);
}
