// Columns in the order of the kernels. See product_body.h.

// row_of is the row of y that column k of a segment makes.
INLINE int64_t row_of(const struct call *c, const struct segment *s, int64_t k) {
	return c->columns ? c->columns[s->from + k] : s->from + k;
}

// column is the x of column k of a segment.
INLINE const float *column(const struct call *c, const struct segment *s, int64_t k) {
	return c->x + row_of(c, s, k) / c->each * c->p->in;
}

// columns_from are the PANEL columns of a segment from column i on, NULL where there are no more.
static void columns_from(const float *x[PANEL], const struct call *c, const struct segment *s, int64_t i) {
	for (int64_t j = 0; j < PANEL; j++)
		x[j] = i + j < s->n ? column(c, s, i + j) : NULL;
}

// turn_columns is elements [k, k+VF) of VF columns of length in, zeros where there are none: a vector of columns for
// each element.
INLINE void turn_columns(vf v[VF], const float *const *x, int64_t k, int64_t in) {
	for (int j = 0; j < VF; j++) {
		float last[VF] = {0};
		if (x[j] && in - k >= VF)
			v[j] = v_load(x[j] + k);
		else
			v[j] = v_load(x[j] && k < in ? memcpy(last, x[j] + k, (in - k) * sizeof *last) : last);
	}
	v_transpose(v);
}

// places are where the elements of a block go.
static void places(int *to, int order) {
	for (int p = 0; p < BLOCK; p++)
		to[order == NIBBLES ? nibble_order(p) : p] = p;
}

// copy_block copies the block of a column that begins at element k, zeros behind the last.
INLINE void copy_block(float *restrict dst, const float *restrict x, int64_t k, int64_t in, const int *to) {
	int64_t n = in - k < BLOCK ? in - k : BLOCK;
	for (int64_t e = 0; e < n; e++)
		dst[to[e]] = x[k + e];
	for (int64_t e = n < 0 ? 0 : n; e < BLOCK; e++)
		dst[to[e]] = 0;
}

// pack_panel packs the panel that column i begins.
static void pack_panel(float *dst, const struct call *c, const struct segment *s, int64_t i, const int *to) {
	const float *x[PANEL];
	columns_from(x, c, s, i);
	for (int64_t k = 0; k < c->padded; k += VF)
		for (int j = 0; j < PANEL; j += VF) {
			vf v[VF];
			turn_columns(v, x + j, k, c->p->in);
			for (int e = 0; e < VF; e++)
				v_store(dst + (k / BLOCK * BLOCK + to[k % BLOCK + e]) * PANEL + j, v[e]);
		}
}

// sum_groups are the sums over each 32, 64 and 128 elements of a column, one after the other. After them
// come zeros: a whole vector is read at the last of them, and what is beyond is multiplied by zero, which
// makes NaN of whatever memory held before, where that was one.
static void sum_groups(float *dst, const float *x, const struct call *c) {
	int64_t in = c->p->in, n = c->padded / 32;
	memset(dst, 0, SUMS(c->padded) * sizeof *dst);
	for (int64_t k = 0; k < in; k += 32) {
		float last[32] = {0};
		const float *p = in - k < 32 ? memcpy(last, x + k, (in - k) * sizeof *x) : x + k;
		vf sum = v_load(p);
		for (int i = VF; i < 32; i += VF)
			sum = v_add(sum, v_load(p + i));
		dst[k / 32] = v_sum(sum);
	}
	for (int64_t size = n; size > n / 4; dst += size, size /= 2) // of two sums those of twice as many
		for (int64_t k = 0; k < size / 2; k++)
			dst[size + k] = dst[2 * k] + dst[2 * k + 1];
}

#ifdef HAS_DIGITS
// largest is the size of the largest of UNIT_BLOCK elements, NaN where one is.
static float largest(const float *x) {
	vf size = v_zero();
	for (int i = 0; i < UNIT_BLOCK; i += VF)
		size = v_size(size, v_load(x + i));
	return v_largest(size);
}

// pack_digits packs column i as whole numbers, or says that it cannot be.
static int pack_digits(const struct call *c, const struct segment *s, int64_t i) {
	struct digits *to = (struct digits *)s->packed[NIBBLES] + i * (c->padded / DIGIT_BLOCK);
	const float *x = column(c, s, i);
	int64_t in = c->p->in;
	for (int64_t k = 0; k < in; k += DIGIT_BLOCK, to++) {
		float block[DIGIT_BLOCK] = {0}, units[BLOCK / 16] = {0};
		const float *from = in - k < DIGIT_BLOCK ? memcpy(block, x + k, (in - k) * sizeof *x) : x + k;
		for (int e = 0; e < DIGIT_BLOCK; e += UNIT_BLOCK) {
			float unit = unit_of(largest(from + e));
			if (unit == 0)
				return 0;
			units[e / UNIT_BLOCK] = unit;
			for (int j = e; j < e + UNIT_BLOCK; j += VF) // exactly: units are powers of two
				v_store(block + j, v_mul(v_load(from + j), v_set(1 / unit)));
		}
		v_pack_digits(to, block);
		v_store(to->unit, v_digit_scales(units, 0, UNIT_BLOCK));
	}
	return 1;
}
#else
static int pack_digits(const struct call *c, const struct segment *s, int64_t i) {
	(void)c, (void)s, (void)i;
	return 0;
}
#endif

// pack_floats: up to FEW columns lie one after the other, [n, padded]. More are panels [ceil(n/PANEL), padded,
// PANEL], of which it packs the one that column i begins.
static void pack_floats(const struct call *c, struct segment *s, int64_t i) {
	int at[BLOCK];
	int64_t in = c->p->in;
	for (int order = NATURAL; order <= NIBBLES; order++) {
		if (!s->packed[order] || (order == NIBBLES && s->digits))
			continue;
		float *to = s->packed[order] + i * c->padded;
		places(at, order);
		if (s->n > FEW) {
			pack_panel(to, c, s, i, at);
		} else if (order == NATURAL) {
			memcpy(to, column(c, s, i), in * sizeof *to);
			memset(to + in, 0, (c->padded - in) * sizeof *to);
		} else {
			for (int64_t b = 0; b < c->padded; b += BLOCK)
				copy_block(to + b, column(c, s, i), b, in, at);
		}
	}
}

// pack packs up to DIGITS columns at once: they are whole numbers where all of them can be.
static void pack(const struct call *c, struct segment *s, int64_t i) {
	if (s->n > DIGITS) {
		pack_floats(c, s, i);
		return;
	}
	s->digits = s->packed[NIBBLES] != NULL;
	for (int64_t k = 0; k < s->n && s->digits; k++)
		s->digits = pack_digits(c, s, k);
	for (int64_t k = 0; k < s->n; k++) {
		pack_floats(c, s, k);
		if (s->sums)
			sum_groups(s->sums + k * SUMS(c->padded), column(c, s, k), c);
	}
}
