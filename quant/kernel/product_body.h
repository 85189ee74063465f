// The kernels of products, over the vectors of an instruction set: product_avx2.c and its neighbours say
// what a vector is and include this.
#include <string.h>
#include "product_codes.h"
#include "product_pack.h"
#include "product_dot.h"
#include "product_few.h"
#include "product_tile.h"

static void multiply(const struct call *c, const struct segment *s, int64_t from, int64_t to) {
	if (s->n == 1)
		dot_rows(c, s, from, to);
	else if (s->n <= FEW)
		few_columns(c, s, from, to);
	else
		panels(c, s, from, to);
}

const struct kernels KERNELS = {.panel = PANEL, .pack = pack, .multiply = multiply};
