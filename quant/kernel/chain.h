// Several functions of a graph that are called as one: see product.h for their arguments.
#ifndef QK_CHAIN_H
#define QK_CHAIN_H

#include <stdint.h>

typedef void (*qk_function)(const void *argument, const void *const *inputs, const int64_t *sizes, void *output);

enum { QK_INPUT, QK_MADE, QK_CONSTANT }; // where a value comes from
enum { QK_MOST_INPUTS = 16, QK_MOST_OUTPUTS = 4, QK_MOST_VALUES = 1024 }; // chain_cgo.go holds chain.go to all of these

struct qk_value {
	int32_t from, index;
};

// qk_link is one of the functions. What it makes are values first, first + 1, .. of the chain.
struct qk_link {
	qk_function function;
	const void *argument;
	int32_t inputs, outputs, first;
	struct qk_value in[QK_MOST_INPUTS];
};

// qk_chain is the functions in their order. Input 0 has `width` elements a row; a value that is made has
// widths of them for each of its rows, and is output `places` of the chain, or none with -1.
struct qk_chain {
	int64_t width;
	int32_t links, values, constants, outputs;
	struct qk_link *link;
	int64_t *widths;
	int32_t *places;
	int32_t **constant;
	int64_t *lengths;
};

// qk_call_chain is the chain that argument points to.
void qk_call_chain(const void *argument, const void *const *inputs, const int64_t *sizes, void *output);

#endif
