// Several columns: tiles of rows are decoded to float32 once for all of them. See product_body.h.

enum {
	DEPTH = 256, // columns of W in a tile
	WIDTH = 512, // columns of output that are computed at a time
};
_Static_assert(TILE % MR == 0 && TILE % VF == 0 && WIDTH % PANEL == 0, "tiles are whole");

// decode_nibbles decodes elements [from, to) of row i, zeros behind them to a whole block.
static void decode_nibbles(float *dst, const struct qk_rows *r, int64_t i, int64_t from, int64_t to, int group, nibble_table t) {
	float scales[DEPTH / 16 + BLOCK / 16], biases[DEPTH / 16 + BLOCK / 16];
	u8 codes[DEPTH / 2 + 16 * LANES];
	int64_t n = to - from;
	int affine = r->layout == AFFINE;
	const u8 *data = r->data + i * r->data_size + from / 2;
	scales_of(scales, r, i, from / group, n / group);
	if (affine)
		biases_of(biases, r, i, from / group, n / group);
	if (n % BLOCK) {
		memcpy(codes, data, n / 2);
		memset(codes + n / 2, 0, 16 * LANES);
		data = codes;
	}
	for (int64_t k = 0; k * BLOCK < n; k++, dst += BLOCK) {
		vf w[8], a, b, c = v_zero(), d = v_zero();
		v_nibbles(w, data + k * 16 * LANES, t);
		v_scales(&a, &b, scales, k, group);
		if (affine)
			v_scales(&c, &d, biases, k, group);
		for (int j = 0; j < 8; j++) {
			vf v = v_mul(w[j], j & 2 ? b : a);
			v = affine ? v_add(v, j & 2 ? d : c) : r->layout == NVFP4 ? v_mul(v, v_set(r->global)) : v;
			v_store(dst + j * VF, v);
		}
	}
}

// decode_kind decodes groups of 32 elements of one scale and bias each, 0 unless affine.
INLINE void decode_kind(float *dst, const u8 *data, int64_t size, int64_t n, const float *scales, const float *biases, int group, int kind, int bits) {
	bit_table t[2] = {0};
	if (kind == FEW_BITS)
		t[0] = bit_table_of(bits, 0), t[1] = bit_table_of(bits, 1);
	const u8 *end = data + size;
	u8 last[CODE_BYTES];
	for (int64_t k = 0; k < n; k += 32, data += 4 * bits, dst += 32) {
		vf scale = v_set(scales[k / group]), bias = v_set(biases[k / group]);
		const u8 *p = code_bytes(data, end, kind, bits, last);
		for (int j = 0; j < 32; j += VF)
			if (kind == FLOAT8)
				v_store(dst + j, v_mul(v_e4m3_exact(p + j), scale));
			else
				v_store(dst + j, v_fma(v_code(p + j * bits / 8, kind, t[j / VF % 2]), scale, bias));
	}
}

// decode_codes decodes whole groups of 32 elements, from and to, that lie in their natural order.
static void decode_codes(float *dst, const struct qk_rows *r, int64_t i, int64_t from, int64_t to) {
	float scales[DEPTH / 16 + BLOCK / 16], biases[DEPTH / 16 + BLOCK / 16] = {0};
	int group = group_of(r);
	int64_t n = to - from, size = r->data_size - from * (r->layout == AFFINE ? r->bits : 8) / 8;
	const u8 *data = r->data + i * r->data_size;
	if (r->layout == E4M3) {
		const u8 *s = r->scales + (r->first + i) / r->height * r->scale_size;
		for (int64_t k = 0; k < n; k += 32)
			float_scales(scales + k / 32, s + (from + k) / r->wide * (r->elem == F32 ? 4 : 2), r->elem, 1);
	} else {
		scales_of(scales, r, i, from / group, n / group);
	}
	if (r->layout != AFFINE)
		decode_kind(dst, data + from, size, n, scales, biases, 32, FLOAT8, 8);
	else {
		biases_of(biases, r, i, from / group, n / group);
		if (r->bits == 8)
			decode_kind(dst, data + from, size, n, scales, biases, group, WHOLE, 8);
		else
			decode_kind(dst, data + from * r->bits / 8, size, n, scales, biases, group, FEW_BITS, r->bits);
	}
}

// decode decodes up to DEPTH elements of row i in the order of its format, zeros behind them.
static void decode(float *dst, const struct qk_rows *r, int64_t i, int64_t from, int64_t to, int64_t padded) {
	memset(dst + (to - from), 0, (padded - (to - from)) * sizeof *dst);
	int groups = r->layout != TURNED && from % 32 == 0 && (to - from) % 32 == 0 && (r->layout != E4M3 || r->wide % 32 == 0);
	if (r->layout == PLAIN) {
		float_scales(dst, r->data + i * r->data_size + from * (r->elem == F32 ? 4 : 2), r->elem, to - from);
		return;
	} else if (!is_nibbles(r)) {
		groups ? decode_codes(dst, r, i, from, to) : qk_elements(ISA, dst, r, i, from, to);
		return;
	}
	nibble_table t = r->layout == AFFINE ? v_table(int_high, int_low) : v_table(e2m1_high, e2m1_low);
	switch (group_of(r)) {
	case 16: decode_nibbles(dst, r, i, from, to, 16, t); return;
	case 32: decode_nibbles(dst, r, i, from, to, 32, t); return;
	case 64: decode_nibbles(dst, r, i, from, to, 64, t); return;
	case 128: decode_nibbles(dst, r, i, from, to, 128, t); return;
	}
}

// dots adds the products of rows w, DEPTH apart, with cols columns, stride apart, over n elements.
INLINE void dots(float *y, const float *w, const float *x, int64_t stride, int64_t n, int cols) {
	vf sum[4][3];
	for (int i = 0; i < 4; i++)
		for (int j = 0; j < cols; j++)
			sum[i][j] = v_zero();
	for (int64_t k = 0; k < n; k += VF)
		for (int j = 0; j < cols; j++) {
			vf v = v_load(x + j * stride + k);
			for (int i = 0; i < 4; i++)
				sum[i][j] = v_fma(v_load(w + i * DEPTH + k), v, sum[i][j]);
		}
	for (int i = 0; i < 4; i++)
		for (int j = 0; j < cols; j++)
			y[i * FEW + j] += v_sum(sum[i][j]);
}

// float_rows writes the products of up to 4 rows with the columns to y [n, FEW].
static void float_rows(float *y, const struct call *c, const struct segment *s, const struct qk_rows *r, int64_t i, int64_t n) {
	float w[4 * DEPTH];
	int64_t in = c->p->in;
	const float *x = s->packed[is_nibbles(r) ? NIBBLES : NATURAL];
	memset(w, 0, sizeof w);
	for (int64_t k = 0; k < in; k += DEPTH) {
		int64_t end = k + DEPTH < in ? k + DEPTH : in, padded = (end - k + PAD - 1) / PAD * PAD;
		for (int64_t o = 0; o < n; o++)
			decode(w + o * DEPTH, r, i + o, k, end, padded);
		int64_t j = 0;
		for (; j + 3 <= s->n; j += 3)
			dots(y + j, w, x + j * c->padded + k, c->padded, padded, 3);
		if (s->n - j == 2)
			dots(y + j, w, x + j * c->padded + k, c->padded, padded, 2);
		else if (s->n - j == 1)
			dots(y + j, w, x + j * c->padded + k, c->padded, padded, 1);
	}
}

// few_columns computes rows for 2 to FEW columns, four at a time.
static void few_columns(const struct call *c, const struct segment *s, int64_t from, int64_t to) {
	for (int64_t n; from < to; from += n) {
		float y[4 * FEW] = {0};
		int64_t i = from;
		const struct qk_rows *r = qk_find(c->p, s->expert, &i);
		n = to - from < r->count - i ? to - from : r->count - i;
		if (are_beside(r, n)) {
			n = beside_rows(c, s, r, i, from);
			continue;
		}
		n = n < 4 ? n : 4;
		if (s->digits && is_nibbles(r))
			digit_rows(y, FEW, c, s, r, i, n);
		else if (is_few(r, s->n))
			few_rows(y, c, s, r, i, n);
		else
			float_rows(y, c, s, r, i, n);
		for (int64_t j = 0; j < s->n; j++)
			for (int64_t o = 0; o < n; o++)
				c->y[row_of(c, s, j) * c->p->out + from + o] = y[o * FEW + j];
	}
}

// micro adds the products of MR rows w, DEPTH apart, with a panel x [n, PANEL], of whose columns only the
// first vectors*VF are computed, to y [MR, PANEL].
INLINE void micro(float *y, const float *w, const float *x, int64_t n, int vectors) {
	vf sum[MR][2];
#pragma GCC unroll 16
	for (int i = 0; i < MR; i++)
#pragma GCC unroll 2
		for (int j = 0; j < vectors; j++)
			sum[i][j] = v_zero();
	for (int64_t k = 0; k < n; k++, x += PANEL) {
		vf v[2];
		v[0] = v_load(x);
		if (vectors > 1)
			v[1] = v_load(x + VF);
#pragma GCC unroll 16
		for (int i = 0; i < MR; i++) {
			vf b = v_set(w[i * DEPTH + k]);
#pragma GCC unroll 2
			for (int j = 0; j < vectors; j++)
				sum[i][j] = v_fma(b, v[j], sum[i][j]);
		}
	}
#pragma GCC unroll 16
	for (int i = 0; i < MR; i++)
#pragma GCC unroll 2
		for (int j = 0; j < vectors; j++)
			v_store(y + i * PANEL + j * VF, v_add(v_load(y + i * PANEL + j * VF), sum[i][j]));
}

static __attribute__((noinline)) void micro_wide(float *y, const float *w, const float *x, int64_t n) {
	micro(y, w, x, n, 2);
}

static __attribute__((noinline)) void micro_narrow(float *y, const float *w, const float *x, int64_t n) {
	micro(y, w, x, n, 1);
}

// ahead_of_panel asks for where n rows of a panel's products go, from row `row` of y and column j on.
INLINE void ahead_of_panel(const struct call *c, const struct segment *s, int64_t n, int64_t row, int64_t j) {
	for (int64_t end = j + PANEL < s->n ? j + PANEL : s->n; j < end; j++) {
		float *y = c->y + row_of(c, s, j) * c->p->out + row;
		for (int64_t o = 0; o < n; o += 16)
			__builtin_prefetch(y + o, 1);
		__builtin_prefetch(y + n - 1, 1);
	}
}

// write_panel writes the products of n rows with a panel, in y [TILE, PANEL], to rows of y from `row` and columns from
// j on.
static void write_panel(const struct call *c, const struct segment *s, const float *y, int64_t n, int64_t row, int64_t j) {
	for (int64_t end = j + PANEL < s->n ? j + PANEL : s->n; j < end; j += VF, y += VF)
		for (int64_t o = 0; o < n; o += VF) {
			int64_t size = n - o < VF ? n - o : VF;
			vf v[VF];
			for (int i = 0; i < VF; i++)
				v[i] = v_load(y + (o + i) * PANEL);
			v_transpose(v);
			for (int i = 0; i < VF && j + i < end; i++) {
				float part[VF], *to = c->y + row_of(c, s, j + i) * c->p->out + row + o;
				v_store(size == VF ? to : part, v[i]);
				if (size < VF)
					memcpy(to, part, size * sizeof *to);
			}
		}
}

// tile computes n rows of one run, up to TILE, for columns [left, left+wide).
static void tile(const struct call *c, const struct segment *s, const struct qk_rows *r, int64_t i, int64_t n, int64_t row, int64_t left, int64_t wide) {
	float w[TILE * DEPTH], y[WIDTH / PANEL][TILE * PANEL];
	int64_t in = c->p->in, rows = (n + MR - 1) / MR * MR;
	const float *x = s->packed[is_nibbles(r) ? NIBBLES : NATURAL] + left * c->padded;
	memset(w + n * DEPTH, 0, (rows - n) * DEPTH * sizeof *w);
	memset(y, 0, (wide + PANEL - 1) / PANEL * sizeof *y);
	for (int64_t k = 0; k < in; k += DEPTH) {
		int64_t end = k + DEPTH < in ? k + DEPTH : in;
		for (int64_t o = 0; o < n; o++)
			decode(w + o * DEPTH, r, i + o, k, end, DEPTH);
		int64_t depth = is_nibbles(r) ? (end - k + BLOCK - 1) / BLOCK * BLOCK : end - k;
		for (int64_t j = 0; j < wide; j += PANEL) {
			if (end == in)
				ahead_of_panel(c, s, n, row, left + j);
			for (int64_t o = 0; o < n; o += MR)
				(wide - j > VF ? micro_wide : micro_narrow)(y[j / PANEL] + o * PANEL, w + o * DEPTH, x + j * c->padded + k * PANEL, depth);
			if (end == in)
				write_panel(c, s, y[j / PANEL], n, row, left + j);
		}
	}
}

static void panels(const struct call *c, const struct segment *s, int64_t from, int64_t to) {
	for (int64_t n; from < to; from += n) {
		int64_t i = from;
		const struct qk_rows *r = qk_find(c->p, s->expert, &i);
		n = to - from < TILE ? to - from : TILE;
		n = r->count - i < n ? r->count - i : n;
		for (int64_t left = 0; left < s->n; left += WIDTH)
			tile(c, s, r, i, n, from, left, s->n - left < WIDTH ? s->n - left : WIDTH);
	}
}
