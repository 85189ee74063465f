//go:build cgo && (amd64 || arm64) && !windows

// Several functions of a graph as one. What they make for one another lies side by side in memory that is
// taken for the call.

#include "chain.h"
#include "product.h"
#include <stdlib.h>

// Values begin at multiples of so many elements.
enum { ALIGN = 16 };

static int64_t room_of(const struct qk_chain *c, int32_t value, int64_t rows) {
	return c->places[value] >= 0 ? 0 : (rows * c->widths[value] + ALIGN - 1) / ALIGN * ALIGN;
}

// place finds room for all values, in outputs or in room.
static void place(const struct qk_chain *c, int64_t rows, float *room, void *const *outputs, void **made) {
	for (int32_t v = 0; v < c->values; v++) {
		made[v] = c->places[v] >= 0 ? outputs[c->places[v]] : room;
		room += room_of(c, v, rows);
	}
}

static void call(const struct qk_chain *c, const struct qk_link *l, int64_t rows, const void *const *inputs, const int64_t *sizes, void *const *made) {
	const void *in[QK_MOST_INPUTS];
	int64_t count[QK_MOST_INPUTS];
	for (int32_t i = 0; i < l->inputs; i++) {
		const int32_t at = l->in[i].index;
		switch (l->in[i].from) {
		case QK_INPUT: in[i] = inputs[at], count[i] = sizes[at]; break;
		case QK_MADE: in[i] = made[at], count[i] = rows * c->widths[at]; break;
		default: in[i] = c->constant[at], count[i] = c->lengths[at];
		}
	}
	l->function(l->argument, in, count, l->outputs == 1 ? made[l->first] : (void *)(made + l->first));
}

void qk_call_chain(const void *argument, const void *const *inputs, const int64_t *sizes, void *output) {
	const struct qk_chain *c = argument;
	const int64_t rows = sizes[0] / c->width;
	int64_t elements = 0;
	for (int32_t v = 0; v < c->values; v++)
		elements += room_of(c, v, rows);
	float *room = qk_need(elements * sizeof *room);
	void *made[QK_MOST_VALUES];
	place(c, rows, room, c->outputs == 1 ? &output : output, made);
	for (int32_t i = 0; i < c->links; i++)
		call(c, &c->link[i], rows, inputs, sizes, made);
	free(room);
}
