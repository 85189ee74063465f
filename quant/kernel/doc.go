// Package kernel turns rows of floats into packed codes and scales and back, a whole number of
// groups a call, on one core; and it multiplies float32 columns by packed rows, on all cores. It knows
// pointers and lengths only: no shapes of models, no tensors, no errors.
//
// Each kernel is a set. The pure Go functions in the *_ref.go files are the definition: they are
// compiled everywhere and state the rule of MLX's Metal kernels in float32 arithmetic, so that the
// same input gives the same bytes on every machine. Faster versions must equal them byte for byte
// on every input, NaN and infinities included; the tests hold all versions that this CPU can run
// to that. A Set lists the functions of one version.
//
// Wrong lengths panic, as an index out of range does. Nothing is refused: callers who must not
// encode NaN or infinities count them first, with Set.NonFinite.
//
// # Products
//
// A Matrix multiplies columns by rows that stay packed where they lie, in mapped memory or in Go's. The
// definition (product_ref.go) decodes a row and sums in float64. The C versions (product_*.h) are one
// source over the vectors of an instruction set (product_avx2.c and its neighbours), in float32 throughout:
//
//   - One column: a row is multiplied as it is unpacked, each group's sum times its scale (and, if affine,
//     the biases times the sums of x over each group). x is put into the order in which nibbles are
//     cheapest to unpack, once a product.
//   - Up to 8 columns: four rows at a time are decoded, 256 elements each, and multiplied along the row; or,
//     with AVX2 and up to 4 columns, codes of four bits are unpacked and multiplied as whole numbers.
//   - More: tiles of 48 rows and 256 elements are decoded once and multiplied with panels of columns.
//     Columns of experts are gathered by expert first, so that an expert is decoded once for all of them.
//
// What holds of results: the error is within the bound of Row.Times. Each output is computed by one
// thread in an order that the number of threads and other calls do not change, so that it has the same bits
// on any number of threads. It depends on the instruction set, and on which of these classes its
// columns fall into: the same column alone and among others may differ, within the bound. An output whose
// row or column holds NaN, or an infinity, is NaN or infinite; which of the two may differ from the
// definition. A number too small for float32 on the way counts as 0.
//
// The threads (pool.c) are our own. A call takes part in its work and never waits for a thread that has
// not begun; while another call has the threads, it works alone. A page of a mapped file that is gone reads
// as zeros during a product and is counted (fault.c): whoever multiplies by mapped memory asks Faults
// before and after.
//
// # Parts of layers
//
// Norm, SwiGLU, the middle of a Gated DeltaNet layer for one token, a router's choice and the sum over experts
// (layer.c, experts.c; activation_ref.go, delta_ref.go and experts_ref.go define them) are here, though they
// are no number formats, because a Chain makes one call of them and of products.
package kernel
