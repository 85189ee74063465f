//go:build cgo && (amd64 || arm64) && !windows

// Products: which rows and columns a thread takes. What it does with them is in product_body.h.

#include "product.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

// Elements of a row that are decoded at a time. A multiple of every group.
#define PIECE 1024

// segment is the columns of one expert: rows of y columns[from..from+n). Pieces of so many rows of output
// are numbered from piece on.
struct segment {
	int64_t expert, from, n, rows, piece;
};

struct call {
	const struct qk_product *p;
	float *y;
	const float *x;
	int64_t each;
	const int64_t *columns;
	struct segment *segments;
	int64_t count, pieces;
};

static void *need(size_t size) {
	void *p = malloc(size ? size : 1);
	if (!p) {
		fprintf(stderr, "qimport: no memory for a product: %zu bytes\n", size);
		abort();
	}
	return p;
}

// find is the run that row o of expert e lies in; *o becomes its number there.
static const struct qk_rows *find(const struct qk_product *p, int64_t e, int64_t *o) {
	const struct qk_rows *r = p->runs + p->first[e];
	for (; *o >= r->count; r++)
		*o -= r->count;
	return r;
}

// elements decodes elements [from, to) of row i, from a border of groups on.
static void elements(int isa, float *dst, const struct qk_rows *r, int64_t i, int64_t from, int64_t to) {
	const u8 *data = r->data + i * r->data_size, *scales = r->scales + i * r->scale_size;
	size_t n = to - from, size = r->elem == F32 ? 4 : 2;
	int64_t g;
	switch (r->layout) {
	case PLAIN: qk_widen(isa, dst, data + from * size, r->elem, n); return;
	case NVFP4: qk_decode_nvfp4(isa, dst, data + from / 2, scales + from / 16, n / 16, r->global); return;
	case MXFP4: qk_decode_mxfp4(isa, dst, data + from / 2, scales + from / 32, n / 32); return;
	case MXFP8: qk_decode_mxfp8(isa, dst, data + from, scales + from / 32, n / 32); return;
	case AFFINE:
		g = from / r->group;
		qk_decode_affine(isa, dst, data + from * r->bits / 8, scales + g * size, r->biases + i * r->scale_size + g * size,
			r->elem, r->bits, r->group, n / r->group);
		return;
	case E4M3:
		scales = r->scales + (r->first + i) / r->height * r->scale_size;
		while (from < to) {
			int64_t block = from / r->wide, end = (block + 1) * r->wide < to ? (block + 1) * r->wide : to;
			float scale;
			qk_widen(isa, &scale, scales + block * size, r->elem, 1);
			qk_decode_e4m3(isa, dst, data + from, end - from, scale);
			dst += end - from;
			from = end;
		}
	}
}

static float dot(const float *w, const float *x, int64_t n) {
	float sum[16] = {0}, all = 0;
	int64_t i = 0;
	for (; i + 16 <= n; i += 16)
		for (int j = 0; j < 16; j++)
			sum[j] += w[i + j] * x[i + j];
	for (; i < n; i++)
		sum[i % 16] += w[i] * x[i];
	for (int j = 0; j < 16; j++)
		all += sum[j];
	return all;
}

// row computes one output row for the columns of a segment.
static void row(const struct call *c, const struct segment *s, int64_t o) {
	const struct qk_product *p = c->p;
	float w[PIECE];
	int64_t i = o;
	const struct qk_rows *r = find(p, s->expert, &i);
	for (int64_t from = 0; from < p->in; from += PIECE) {
		int64_t to = from + PIECE < p->in ? from + PIECE : p->in;
		elements(p->isa, w, r, i, from, to);
		for (int64_t k = s->from; k < s->from + s->n; k++) {
			int64_t at = c->columns ? c->columns[k] : k;
			float *y = &c->y[at * p->out + o];
			float d = dot(w, c->x + at / c->each * p->in + from, to - from);
			*y = from ? *y + d : d;
		}
	}
}

static void piece(const void *argument, int64_t i) {
	const struct call *c = argument;
	const struct segment *s = c->segments;
	int64_t lo = 0, hi = c->count; // the last segment that begins at i or before
	while (hi - lo > 1) {
		int64_t mid = (lo + hi) / 2;
		s[mid].piece <= i ? (lo = mid) : (hi = mid);
	}
	s += lo;
	int64_t from = (i - s->piece) * s->rows, to = from + s->rows < c->p->out ? from + s->rows : c->p->out;
	for (int64_t o = from; o < to; o++)
		row(c, s, o);
}

// cut numbers the pieces of a segment: enough for all threads to end together, each worth its taking.
static void cut(struct call *c, struct segment *s) {
	s->rows = 16;
	s->piece = c->pieces;
	c->pieces += (c->p->out + s->rows - 1) / s->rows;
}

static void run(struct call *c) {
	qk_enter();
	for (int64_t i = 0; i < c->count; i++)
		cut(c, &c->segments[i]);
	qk_run(piece, c, c->pieces);
	qk_leave();
}

void qk_multiply(const struct qk_product *p, float *y, const float *x, int64_t n) {
	struct segment s = {.n = n};
	struct call c = {.p = p, .y = y, .x = x, .each = 1, .segments = &s, .count = 1};
	if (n > 0 && p->experts > 0)
		run(&c);
}

void qk_multiply_experts(const struct qk_product *p, float *y, const float *x, const uint32_t *ids, int64_t n, int64_t each) {
	int64_t *at = need((p->experts + 1) * sizeof *at), *columns = need(n * sizeof *columns);
	struct segment *segments = need((p->experts < n ? p->experts : n) * sizeof *segments);
	struct call c = {.p = p, .y = y, .x = x, .each = each, .columns = columns, .segments = segments};
	memset(at, 0, (p->experts + 1) * sizeof *at);
	for (int64_t i = 0; i < n; i++)
		if (ids[i] < p->experts)
			at[ids[i] + 1]++;
		else
			memset(y + i * p->out, 0, p->out * sizeof *y);
	for (int64_t e = 0; e < p->experts; e++) {
		if (at[e + 1])
			segments[c.count++] = (struct segment){.expert = e, .from = at[e], .n = at[e + 1]};
		at[e + 1] += at[e];
	}
	for (int64_t i = 0; i < n; i++)
		if (ids[i] < p->experts)
			columns[at[ids[i]]++] = i;
	run(&c);
	free(segments);
	free(columns);
	free(at);
}

struct lookup {
	const struct qk_product *p;
	float *y;
	const int32_t *ids;
};

static void look_up(const void *argument, int64_t k) {
	const struct lookup *l = argument;
	const struct qk_product *p = l->p;
	float *y = l->y + k * p->in;
	int64_t id = (uint32_t)l->ids[k];
	if (id >= p->experts * p->out) {
		memset(y, 0, p->in * sizeof *y);
		return;
	}
	int64_t i = id % p->out;
	const struct qk_rows *r = find(p, id / p->out, &i);
	elements(p->isa, y, r, i, 0, p->in);
}

void qk_decode(const struct qk_product *p, float *y, const int32_t *ids, int64_t n) {
	struct lookup l = {p, y, ids};
	qk_enter();
	qk_run(look_up, &l, n);
	qk_leave();
}

void qk_call_multiply(const void *argument, const void *const *inputs, const int64_t *sizes, void *output) {
	const struct qk_product *p = argument;
	qk_multiply(p, output, inputs[0], p->in ? sizes[0] / p->in : 0);
}

void qk_call_experts(const void *argument, const void *const *inputs, const int64_t *sizes, void *output) {
	const struct qk_product *p = argument;
	int64_t rows = p->in ? sizes[0] / p->in : 0;
	if (rows > 0)
		qk_multiply_experts(p, output, inputs[0], inputs[1], sizes[1], sizes[1] / rows);
}

void qk_call_decode(const void *argument, const void *const *inputs, const int64_t *sizes, void *output) {
	qk_decode(argument, output, inputs[0], sizes[0]);
}
