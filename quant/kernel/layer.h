// Parts of a layer as functions of a graph: see product.h for their arguments, layer.c.
#ifndef QK_LAYER_H
#define QK_LAYER_H

#include <stdint.h>

// Inputs of the norm: x [n, width], weight [width], settings; of SwiGLU: x [n, 2*width], settings. Settings are
// the width, the bits of eps, and the instruction set.
void qk_call_norm(const void *argument, const void *const *inputs, const int64_t *sizes, void *output);
void qk_call_swiglu(const void *argument, const void *const *inputs, const int64_t *sizes, void *output);

// Inputs of the gate: x [n, width], gate [n, width], settings as above. Inputs of the sum: x and y of one size.
void qk_call_gate(const void *argument, const void *const *inputs, const int64_t *sizes, void *output);
void qk_call_add(const void *argument, const void *const *inputs, const int64_t *sizes, void *output);

// qk_call_route is Route: logits [n, experts], RouteSizes; outputs ids and weights [n, k]. qk_call_combine is
// Combine: y [n, k, width] and weights [n, k]; qk_call_combine_all takes a shared expert's gate [n] and outputs
// [n, width] besides.
void qk_call_route(const void *argument, const void *const *inputs, const int64_t *sizes, void *outputs);
void qk_call_combine(const void *argument, const void *const *inputs, const int64_t *sizes, void *output);
void qk_call_combine_all(const void *argument, const void *const *inputs, const int64_t *sizes, void *output);

// qk_call_delta is DeltaStep, with several outputs. Its settings are DeltaStep.Sizes.
void qk_call_delta(const void *argument, const void *const *inputs, const int64_t *sizes, void *outputs);

// qk_call_attend is Attend: x, keys, values, both norms, turns, length, Attend.Sizes; outputs y, keys, values.
void qk_call_attend(const void *argument, const void *const *inputs, const int64_t *sizes, void *outputs);

// qk_call_delta_prompt is DeltaPrompt, with the inputs and outputs of qk_call_delta, and qk_call_attend_prompt
// AttendPrompt, with those of qk_call_attend. Settings have the number of tokens of a sequence besides.
void qk_call_delta_prompt(const void *argument, const void *const *inputs, const int64_t *sizes, void *outputs);
void qk_call_attend_prompt(const void *argument, const void *const *inputs, const int64_t *sizes, void *outputs);

// qk_call_likeliest is Likeliest: logits [n, width], LikeliestSizes; output int32 [n].
void qk_call_likeliest(const void *argument, const void *const *inputs, const int64_t *sizes, void *output);

// As many experts as Route may choose from.
enum { QK_MOST_EXPERTS = 4096 };

#endif
