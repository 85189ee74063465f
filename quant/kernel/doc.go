// Package kernel turns rows of floats into packed codes and scales and back, a whole number of
// groups a call, on one core. It knows pointers and lengths only: no shapes, no tensors, no errors.
//
// Each kernel is a set. The pure Go functions in the *_ref.go files are the definition: they are
// compiled everywhere and state the rule of MLX's Metal kernels in float32 arithmetic, so that the
// same input gives the same bytes on every machine. Faster versions must equal them byte for byte
// on every input, NaN and infinities included; the tests hold all versions that this CPU can run
// to that. A Set lists the functions of one version.
//
// Wrong lengths panic, as an index out of range does. Nothing is refused: callers who must not
// encode NaN or infinities count them first, with Set.NonFinite.
package kernel
