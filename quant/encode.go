package quant

import (
	"fmt"
	"math"
	"unsafe"

	"qimport/quant/kernel"
)

// Encode packs all of src, whole groups of plain elements of type from, into p, by the rule of
// MLX's current GPU kernels in float32 arithmetic: the same bytes on every machine. Affine scales
// and biases are of type from. It refuses wrong sizes and types, never values: see NonFinite. To a
// Plain format it rounds to nearest even. F64 goes through float32, with float32 scales.
func Encode(f Format, p Packed, src []byte, from Dtype) error {
	return encodeBytes(f, p, src, from, false)
}

// EncodeFloat32 is Encode from decoded values. Affine scales and biases become scaleDtype: bf16, f16
// or f32; other formats do not look at it.
func EncodeFloat32(f Format, p Packed, src []float32, scaleDtype Dtype) error {
	return encodeFloat32(f, p, src, scaleDtype, false)
}

// EncodeSearch is Encode with scales that lose the least squared error among some beside those of
// the plain rule. On normal weights that is a quarter less for nvfp4, a third for affine 8 bits, 3 to
// 12 per cent for the others, at a tenth of the speed or somewhat more. The bytes are no longer
// MLX's; they are still the same on every machine. MXFP8 and Plain have nothing to search: there it
// is Encode.
func EncodeSearch(f Format, p Packed, src []byte, from Dtype) error {
	return encodeBytes(f, p, src, from, true)
}

// EncodeSearchFloat32 is EncodeSearch from decoded values, with scales as EncodeFloat32 has them.
func EncodeSearchFloat32(f Format, p Packed, src []float32, scaleDtype Dtype) error {
	return encodeFloat32(f, p, src, scaleDtype, true)
}

func encodeBytes(f Format, p Packed, src []byte, from Dtype, search bool) error {
	if from.Size() == 0 || len(src)%from.Size() != 0 {
		return fmt.Errorf("%d bytes are not whole elements of %s", len(src), from)
	}
	n := len(src) / from.Size()
	if f == PlainFormat(from) {
		if len(p.Weight) != len(src) {
			return fmt.Errorf("%d bytes of %s do not fit into %d", len(src), from, len(p.Weight))
		}
		copy(p.Weight, src)
		return nil
	}
	e, ok := from.elem()
	if f.Mode == Plain || !ok {
		return encodeThroughFloat32(f, p, src, from, search)
	}
	if err := p.check(f, n, from); err != nil {
		return err
	}
	encode(f, p, src, e, e, search)
	return nil
}

func encodeFloat32(f Format, p Packed, src []float32, scaleDtype Dtype, search bool) error {
	if f.Mode == Plain {
		return FromFloat32(p.Weight, f.Dtype, src)
	}
	scale, ok := scaleDtype.elem()
	if !ok && f.Mode == Affine {
		return fmt.Errorf("%s: scales cannot be %q, only bf16, f16 or f32", f, scaleDtype)
	}
	if err := p.check(f, len(src), scaleDtype); err != nil {
		return err
	}
	encode(f, p, float32Bytes(src), kernel.F32, scale, search)
	return nil
}

// GlobalScale is the global scale under which the group that holds the largest magnitude of a
// tensor, amax, gets the largest block scale: amax / (448*6). It is 1 where amax is nothing to divide
// by: 0, or so small or large that Encode would refuse the result.
func GlobalScale(amax float32) float32 {
	const least = 0x1p-126 // the smallest with a finite reciprocal, bar a factor of 2
	g := amax / (448 * 6)
	if g >= least && g <= math.MaxFloat32 {
		return g
	}
	return 1
}

// encode runs the kernel of a quantized format on parts that were checked.
func encode(f Format, p Packed, src []byte, from, scale kernel.Elem, search bool) {
	k := kernel.Best()
	switch f.Mode {
	case NVFP4:
		k.EncodeNVFP4(p.Weight, p.Scales, src, from, p.global(), search)
	case MXFP4:
		k.EncodeMXFP4(p.Weight, p.Scales, src, from, search)
	case MXFP8:
		k.EncodeMXFP8(p.Weight, p.Scales, src, from)
	case Affine:
		k.EncodeAffine(p.Weight, p.Scales, p.Biases, src, from, scale, f.Bits, f.GroupSize, search)
	}
}

// encodeThroughFloat32 converts a piece at a time: between plain dtypes, and from f64 to any format.
func encodeThroughFloat32(f Format, p Packed, src []byte, from Dtype, search bool) error {
	const piece = 1024 // elements; a multiple of every group
	n := len(src) / from.Size()
	if err := p.check(f, n, F32); err != nil {
		return err
	}
	var buf [piece]float32
	for at := 0; at < n; at += piece {
		w := buf[:min(piece, n-at)]
		if err := ToFloat32(w, src[at*from.Size():(at+len(w))*from.Size()], from); err != nil {
			return err
		}
		if err := encodeFloat32(f, p.Piece(f, F32, at, at+len(w)), w, F32, search); err != nil {
			return err
		}
	}
	return nil
}

// float32Bytes views values as their bytes, which lie little-endian on every platform that qimport
// builds for.
func float32Bytes(v []float32) []byte {
	if len(v) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&v[0])), 4*len(v))
}
