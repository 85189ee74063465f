// Package quant owns number formats: what nvfp4, mxfp8, mxfp4, affine and the plain floats mean
// in bits, the kernels that turn rows of floats into packed words and scales and back, and the
// recipes that say which tensor gets which format.
//
// It must not know files, digests, models or MLX. Slices come in, slices go out; a recipe sees
// names and shapes only.
package quant
