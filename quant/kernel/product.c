//go:build cgo && (amd64 || arm64) && !windows

// Products: which rows and columns a thread takes. What it does with them is in product_body.h.

#include "product_call.h"
#include <stdlib.h>
#include <string.h>

static const struct kernels *kernels_of(const struct qk_product *p) {
#ifdef __x86_64__
	if (p->isa == AVX512VNNI)
		return &qk_avx512vnni;
	if (p->isa == AVX512)
		return &qk_avx512;
	if (p->isa == AVX2)
		return &qk_avx2;
#endif
	(void)p;
	return &qk_base;
}

// qk_find is the run that row o of expert e lies in; *o becomes its number there.
const struct qk_rows *qk_find(const struct qk_product *p, int64_t e, int64_t *o) {
	const struct qk_rows *r = p->runs + p->first[e];
	for (; *o >= r->count; r++)
		*o -= r->count;
	return r;
}

// turned decodes elements [from, to) of row i that lie apart.
static void turned(int isa, float *dst, const struct qk_rows *r, int64_t i, int64_t from, int64_t to) {
	enum { GATHERED = 256 };
	u8 own[4 * GATHERED];
	int64_t size = r->elem == F32 ? 4 : 2;
	const u8 *p = r->data + i * r->data_size + from * r->step;
	for (int64_t n; from < to; from += n, dst += n) {
		n = to - from < GATHERED ? to - from : GATHERED;
		if (size == 2)
			for (int64_t k = 0; k < n; k++, p += r->step)
				memcpy(own + 2 * k, p, 2);
		else
			for (int64_t k = 0; k < n; k++, p += r->step)
				memcpy(own + 4 * k, p, 4);
		qk_widen(isa, dst, own, r->elem, n);
	}
}

// qk_elements decodes elements [from, to) of row i, from a border of groups on.
void qk_elements(int isa, float *dst, const struct qk_rows *r, int64_t i, int64_t from, int64_t to) {
	const u8 *data = r->data + i * r->data_size, *scales = r->scales + i * r->scale_size;
	size_t n = to - from, size = r->elem == F32 ? 4 : 2;
	int64_t g;
	switch (r->layout) {
	case TURNED: turned(isa, dst, r, i, from, to); return;
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

// which finds the segment that piece i belongs to: the last one that begins at it or before. first is
// the offset of the field that says where it begins.
static struct segment *which(const struct call *c, int64_t i, size_t first) {
	int64_t lo = 0, hi = c->count;
	while (hi - lo > 1) {
		int64_t mid = (lo + hi) / 2, begins;
		memcpy(&begins, (const char *)&c->segments[mid] + first, sizeof begins);
		begins <= i ? (lo = mid) : (hi = mid);
	}
	return &c->segments[lo];
}

static void multiply_piece(const void *argument, int64_t i) {
	const struct call *c = argument;
	const struct segment *s = which(c, i, offsetof(struct segment, piece));
	int64_t from = (i - s->piece) * s->rows, to = from + s->rows < c->p->out ? from + s->rows : c->p->out;
	kernels_of(c->p)->multiply(c, s, from, to);
}

static void pack_piece(const void *argument, int64_t i) {
	const struct call *c = argument;
	struct segment *s = which(c, i, offsetof(struct segment, pack));
	const struct kernels *k = kernels_of(c->p);
	k->pack(c, s, (i - s->pack) * (s->n <= FEW ? 1 : k->panel)); // of up to DIGITS columns one piece
}

// Columns are packed from the border of a cache line on.
enum { LINE = 64 };

// Bytes of packed rows that a thread takes at a time where it reads them once: the next ones follow them.
enum { BITE = 64 << 10 };

// orders are those that the rows of an expert need, as bits, and whether columns need their sums.
static int orders(const struct call *c, const struct segment *s, int *sums) {
	const struct qk_product *p = c->p;
	int need = 0;
	for (const struct qk_rows *r = p->runs + p->first[s->expert]; r < p->runs + p->first[s->expert + 1]; r++) {
		int affine4 = r->layout == AFFINE && r->bits == 4;
		need |= r->layout == NVFP4 || r->layout == MXFP4 || affine4 ? 1 << NIBBLES : 1 << NATURAL;
		*sums |= r->layout == AFFINE && s->n <= DIGITS;
	}
	return need;
}

// cut numbers the pieces of a segment and says how many floats its packed columns take.
static int64_t cut(struct call *c, struct segment *s, float *to) {
	const struct qk_product *p = c->p;
	int64_t panel = s->n <= FEW ? 1 : kernels_of(p)->panel, panels = (s->n + panel - 1) / panel;
	const struct qk_rows *r = p->runs + p->first[s->expert];
	int64_t size = 0, bytes = r->layout == TURNED ? p->in * r->data_size : r->data_size;
	int sums = 0, need = orders(c, s, &sums);
	s->piece = c->pieces;
	s->pack = c->packs;
	s->rows = s->n > FEW ? TILE : (BITE / (bytes + 1) + 16) / 16 * 16;
	if (r->layout == TURNED && s->rows < LINE) // as many as lie side by side
		s->rows = LINE;
	c->pieces += (p->out + s->rows - 1) / s->rows;
	c->packs += s->n <= DIGITS ? 1 : panels;
	for (int order = 0; order < 2; order++)
		if (need & 1 << order) {
			s->packed[order] = to + size;
			size += panels * panel * c->padded;
		}
	if (sums) {
		s->sums = to + size;
		size += s->n * SUMS(c->padded);
	}
	return (size + LINE - 1) / LINE * LINE;
}

// cut_all cuts all segments, whose packed columns lie from `packed` on, and says how many floats they take.
static int64_t cut_all(struct call *c, float *packed) {
	int64_t at = 0;
	c->pieces = c->packs = 0;
	for (int64_t i = 0; i < c->count; i++)
		at += cut(c, &c->segments[i], packed + at);
	return at;
}

// Up to so many floats of packed columns lie in the room of the thread: to ask the system for them at every product took
// a twentieth of the time of a mixture of experts.
enum { ROOM = 8 << 20 };

static void run(struct call *c) {
	c->padded = (c->p->in + PAD - 1) / PAD * PAD;
	const int64_t all = cut_all(c, NULL);
	void *memory = all > ROOM ? qk_need(all * sizeof(float) + LINE) : NULL;
	cut_all(c, memory ? (float *)(((uintptr_t)memory + LINE - 1) / LINE * LINE) : qk_room(all));
	qk_enter();
	qk_run(pack_piece, c, c->packs);
	qk_run(multiply_piece, c, c->pieces);
	qk_leave();
	free(memory);
}

void qk_multiply(const struct qk_product *p, float *y, const float *x, int64_t n) {
	struct segment s = {.n = n};
	struct call c = {.p = p, .y = y, .x = x, .each = 1, .segments = &s, .count = 1};
	if (n > 0 && p->experts > 0)
		run(&c);
}

void qk_multiply_experts(const struct qk_product *p, float *y, const float *x, const uint32_t *ids, int64_t n, int64_t each) {
	int64_t *at = qk_need((p->experts + 1) * sizeof *at), *columns = qk_need(n * sizeof *columns);
	struct segment *segments = qk_need((p->experts < n ? p->experts : n) * sizeof *segments);
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
	const struct qk_rows *r = qk_find(p, id / p->out, &i);
	qk_elements(p->isa, y, r, i, 0, p->in);
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
