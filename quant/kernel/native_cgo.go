//go:build cgo && (amd64 || arm64)

package kernel

// #cgo CFLAGS: -O3 -std=c11
// #cgo noescape qk_widen
// #cgo nocallback qk_widen
// #cgo noescape qk_narrow
// #cgo nocallback qk_narrow
// #cgo noescape qk_non_finite
// #cgo nocallback qk_non_finite
// #cgo noescape qk_encode_nvfp4
// #cgo nocallback qk_encode_nvfp4
// #cgo noescape qk_encode_mxfp4
// #cgo nocallback qk_encode_mxfp4
// #cgo noescape qk_encode_mxfp8
// #cgo nocallback qk_encode_mxfp8
// #cgo noescape qk_encode_affine
// #cgo nocallback qk_encode_affine
// #cgo noescape qk_decode_nvfp4
// #cgo nocallback qk_decode_nvfp4
// #cgo noescape qk_decode_mxfp4
// #cgo nocallback qk_decode_mxfp4
// #cgo noescape qk_decode_mxfp8
// #cgo nocallback qk_decode_mxfp8
// #cgo noescape qk_decode_e4m3
// #cgo nocallback qk_decode_e4m3
// #cgo noescape qk_decode_affine
// #cgo nocallback qk_decode_affine
// #cgo noescape qk_add_low_rank
// #cgo nocallback qk_add_low_rank
// #cgo noescape qk_subtract_product
// #cgo nocallback qk_subtract_product
// #include "native.h"
import "C"
import "unsafe"

// newNative lists the C functions of one instruction set. Each checks the lengths that its C
// function trusts, by slicing.
func newNative(name string, isa C.int) *Set {
	s := &Set{
		Name: name,
		isa:  int(isa),
		Widen: func(dst []float32, src []byte, from Elem) {
			n := len(dst)
			C.qk_widen(isa, floats(dst), data(src[:n*from.Size()]), C.int(from), C.size_t(n))
		},
		Narrow: func(dst []byte, to Elem, src []float32) {
			n := len(src)
			C.qk_narrow(isa, data(dst[:n*to.Size()]), C.int(to), floats(src), C.size_t(n))
		},
		NonFinite: func(src []byte, from Elem) int {
			return int(C.qk_non_finite(isa, data(src), C.int(from), C.size_t(len(src)/from.Size())))
		},
		EncodeNVFP4: func(codes, scales, src []byte, from Elem, global float32, search Search) {
			n := len(scales)
			C.qk_encode_nvfp4(isa, data(codes[:8*n]), data(scales), data(src[:16*n*from.Size()]), C.int(from), C.size_t(n), C.float(global), flag(search.On), floats(search.Columns), C.size_t(len(search.Columns)))
		},
		EncodeMXFP4: func(codes, scales, src []byte, from Elem, search Search) {
			n := len(scales)
			C.qk_encode_mxfp4(isa, data(codes[:16*n]), data(scales), data(src[:32*n*from.Size()]), C.int(from), C.size_t(n), flag(search.On), floats(search.Columns), C.size_t(len(search.Columns)))
		},
		EncodeMXFP8: func(codes, scales, src []byte, from Elem) {
			n := len(scales)
			C.qk_encode_mxfp8(isa, data(codes[:32*n]), data(scales), data(src[:32*n*from.Size()]), C.int(from), C.size_t(n))
		},
		EncodeAffine: func(codes, scales, biases, src []byte, from, scale Elem, bits, group int, search Search) {
			n := len(codes) / (group * bits / 8)
			C.qk_encode_affine(isa, data(codes), data(scales[:n*scale.Size()]), data(biases[:n*scale.Size()]),
				data(src[:n*group*from.Size()]), C.int(from), C.int(scale), C.int(bits), C.int(group), C.size_t(n), flag(search.On), floats(search.Columns), C.size_t(len(search.Columns)))
		},
		DecodeNVFP4: func(dst []float32, codes, scales []byte, global float32) {
			n := len(scales)
			C.qk_decode_nvfp4(isa, floats(dst[:16*n]), data(codes[:8*n]), data(scales), C.size_t(n), C.float(global))
		},
		DecodeMXFP4: func(dst []float32, codes, scales []byte) {
			n := len(scales)
			C.qk_decode_mxfp4(isa, floats(dst[:32*n]), data(codes[:16*n]), data(scales), C.size_t(n))
		},
		DecodeMXFP8: func(dst []float32, codes, scales []byte) {
			n := len(scales)
			C.qk_decode_mxfp8(isa, floats(dst[:32*n]), data(codes[:32*n]), data(scales), C.size_t(n))
		},
		DecodeE4M3: func(dst []float32, codes []byte, scale float32) {
			n := len(dst)
			C.qk_decode_e4m3(isa, floats(dst), data(codes[:n]), C.size_t(n), C.float(scale))
		},
		DecodeAffine: func(dst []float32, codes, scales, biases []byte, scale Elem, bits, group int) {
			n := len(dst) / group
			C.qk_decode_affine(isa, floats(dst), data(codes[:n*group*bits/8]), data(scales[:n*scale.Size()]),
				data(biases[:n*scale.Size()]), C.int(scale), C.int(bits), C.int(group), C.size_t(n))
		},
		AddLowRank: func(dst, b, a []float32, rank int) {
			rows, cols := len(b)/rank, len(a)/rank
			C.qk_add_low_rank(isa, floats(dst[:rows*cols]), floats(b), floats(a), C.size_t(rows), C.size_t(rank), C.size_t(cols))
		},
		SubtractProduct: func(d, a, b Block) {
			if d.empty() || a.Rows == 0 {
				return
			}
			checkProduct(d, a, b)
			C.qk_subtract_product(isa, doubles(d), C.size_t(d.Stride), doubles(a), C.size_t(a.Stride), doubles(b), C.size_t(b.Stride), C.size_t(d.Rows), C.size_t(d.Columns), C.size_t(a.Rows))
		},
	}
	s.EncodeNVFP4Feedback, s.EncodeMXFP4Feedback, s.EncodeAffineFeedback = s.feedNVFP4, s.feedMXFP4, s.feedAffine
	return s
}

func data(b []byte) *C.u8 { return (*C.u8)(unsafe.Pointer(unsafe.SliceData(b))) }

func floats(f []float32) *C.float { return (*C.float)(unsafe.Pointer(unsafe.SliceData(f))) }

func doubles(b Block) *C.double { return (*C.double)(unsafe.Pointer(unsafe.SliceData(b.Values))) }

func flag(b bool) C.int {
	if b {
		return 1
	}
	return 0
}
