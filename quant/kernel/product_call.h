// What product.c hands to the kernels of an instruction set.
#ifndef QK_PRODUCT_CALL_H
#define QK_PRODUCT_CALL_H

#include "product.h"

// EVEX512 stands before AVX-512's features in an attribute of clang's that would otherwise leave out vectors of
// 512 bits.
#if defined(__clang__) && __clang_major__ >= 18 && __clang_major__ <= 21
#define EVEX512 "evex512,"
#else
#define EVEX512
#endif

// segment is the columns of one expert: rows of y columns[from..from+n), or from.. themselves. Pieces of
// so many rows of output are numbered from piece on, pieces of packing from pack on. See pack below for
// what is packed.
struct segment {
	int64_t expert, from, n, rows, piece, pack;
	float *packed[2]; // for each order that the expert's rows need, else NULL
	int digits;       // packed[NIBBLES] is struct digits of product_digits.h: pack says so
	float *sums;      // up to DIGITS columns: the sums of each one's x over each 32, 64 and 128 elements
};

struct call {
	const struct qk_product *p;
	float *y;
	const float *x;
	int64_t each;
	const int64_t *columns;
	struct segment *segments;
	int64_t count, pieces, packs;
	int64_t padded; // columns of W, up to a multiple of PAD
};

// Columns of W are padded with zeros to whole blocks of every instruction set.
#define PAD 256

// Up to DIGITS columns may be multiplied as whole numbers: see product_digits.h. With more, floats are faster.
#define DIGITS 4

// SUMS floats hold the sums of one column over each 32, 64 and 128 of its padded elements, and zeros up
// to where the last of them is the first of a vector of 16.
#define SUMS(padded) ((padded) / 8 + 16)

// Orders in which the elements of a row are taken: as they lie, or as is cheapest to unpack from nibbles.
enum { NATURAL, NIBBLES };

// Up to FEW columns each row is multiplied as it is decoded, along the row; more columns are computed in
// panels, for which tiles of rows are decoded.
#define FEW 8

// Rows of a tile: a multiple of what the kernels of every instruction set take together.
#define TILE 48

// kernels is what an instruction set computes with.
struct kernels {
	int panel; // columns that are packed together where there are more than FEW
	// pack writes columns from i on, one or a panel, in every order that is asked for.
	void (*pack)(const struct call *c, struct segment *s, int64_t i);
	// multiply computes rows [from, to) of output.
	void (*multiply)(const struct call *c, const struct segment *s, int64_t from, int64_t to);
};

extern const struct kernels qk_base, qk_avx2, qk_avx512, qk_avx512vnni;

// qk_find is the run that row o of expert e lies in; *o becomes its number there.
const struct qk_rows *qk_find(const struct qk_product *p, int64_t e, int64_t *o);
// qk_elements decodes elements [from, to) of row i, from a border of groups on.
void qk_elements(int isa, float *dst, const struct qk_rows *r, int64_t i, int64_t from, int64_t to);

#endif
