// Products of packed rows with float32 columns: what Go and the versions of the kernels share.
#ifndef QK_PRODUCT_H
#define QK_PRODUCT_H

#include "native.h"

// How rows are stored: the values of Layout in rows.go.
enum { PLAIN, NVFP4, MXFP4, MXFP8, AFFINE, E4M3, TURNED };

// qk_rows are consecutive rows that are stored alike: Rows in rows.go. Pointers are to the first of
// them, but scales of E4M3 are those of the whole matrix.
struct qk_rows {
	const u8 *data, *scales, *biases;
	int64_t count;
	int64_t data_size, scale_size; // bytes of one row; of TURNED, from one to the next
	int layout, elem, bits, group;
	float global;
	int64_t first, height, wide; // E4M3: the number of the first row in its matrix; a block
	int64_t step;				 // TURNED: bytes from one element of a row to the next
};

// qk_product is a stack of matrices [out, in]: rows of expert e are runs[first[e]] up to runs[first[e+1]].
struct qk_product {
	int64_t out, in, experts;
	int isa;
	struct qk_rows *runs;
	int64_t *first;
};

// qk_multiply: x [n, in], y [n, out] of expert 0. qk_multiply_experts: y [n, out], one id each; each
// row of x serves `each` consecutive ids. An id outside the stack gives zeros.
void qk_multiply(const struct qk_product *p, float *y, const float *x, int64_t n);
void qk_multiply_experts(const struct qk_product *p, float *y, const float *x, const uint32_t *ids, int64_t n, int64_t each);
// qk_decode: y [n, in], the rows of the stack as one matrix. An id outside it gives zeros.
void qk_decode(const struct qk_product *p, float *y, const int32_t *ids, int64_t n);

// The same as functions of a graph: argument is a qk_product, sizes the elements of each input.
void qk_call_multiply(const void *argument, const void *const *inputs, const int64_t *sizes, void *output);
void qk_call_experts(const void *argument, const void *const *inputs, const int64_t *sizes, void *output);
void qk_call_decode(const void *argument, const void *const *inputs, const int64_t *sizes, void *output);

// qk_need is room of so many bytes, for free. A graph has no way to be told that there is none: the process ends,
// and says why.
void *qk_need(size_t size);

// qk_room is room of so many floats, from a multiple of 64 bytes on, that a thread has until it asks again.
float *qk_room(int64_t floats);

// qk_run calls task(argument, i) for every i under pieces, on the caller's thread and those of the pool.
void qk_run(void (*task)(const void *argument, int64_t i), const void *argument, int64_t pieces);
// qk_set_threads says how many threads work at a product, the caller's included.
void qk_set_threads(int threads);

// qk_watch makes reads behind the end of a mapped file give zeros, from qk_enter to qk_leave on a thread.
void qk_watch(void);
void qk_enter(void);
void qk_leave(void);
int64_t qk_faults(uint64_t *last);

#endif
