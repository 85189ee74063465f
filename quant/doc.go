// Package quant owns number formats: what nvfp4, mxfp8, mxfp4, affine and the plain floats mean
// in bits, and the kernels that turn rows of floats into packed words and scales and back.
//
// It must not know files, digests, models or MLX. Slices come in, slices go out.
package quant
