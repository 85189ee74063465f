package quant

import (
	"encoding/binary"
	"fmt"
	"math"

	"qimport/quant/kernel"
)

// elem is the kernels' name of a float dtype.
func (d Dtype) elem() (kernel.Elem, bool) {
	switch d {
	case BF16:
		return kernel.BF16, true
	case F16:
		return kernel.F16, true
	case F32:
		return kernel.F32, true
	}
	return 0, false
}

// ToFloat32 reads len(dst) elements of type from: bf16, f16, f32 exactly, f64 rounded to nearest even.
func ToFloat32(dst []float32, src []byte, from Dtype) error {
	if len(src) != len(dst)*from.Size() {
		return fmt.Errorf("%d bytes of %s are not %d elements", len(src), from, len(dst))
	}
	if from == F64 {
		for i := range dst {
			dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:])))
		}
		return nil
	}
	e, ok := from.elem()
	if !ok {
		return fmt.Errorf("unsupported dtype of weights %s; supported: bf16, f16, f32, f64", from)
	}
	kernel.Best().Widen(dst, src, e)
	return nil
}

// FromFloat32 rounds all of src to nearest even and writes it as bf16, f16 or f32. Every NaN becomes
// the positive quiet one; what is too large becomes infinity.
func FromFloat32(dst []byte, to Dtype, src []float32) error {
	e, ok := to.elem()
	if !ok {
		return fmt.Errorf("unsupported dtype of weights %s; supported: bf16, f16, f32", to)
	}
	if len(dst) != len(src)*to.Size() {
		return fmt.Errorf("%d bytes of %s are not %d elements", len(dst), to, len(src))
	}
	kernel.Best().Narrow(dst, e, src)
	return nil
}

// NonFinite counts the NaN and infinities among the elements of src, which is of type bf16, f16,
// f32 or f64. It runs at several times the speed of Encode: look before you quantize, because a
// group that holds one loses all its values.
func NonFinite(src []byte, from Dtype) (int, error) {
	if e, ok := from.elem(); ok {
		return kernel.Best().NonFinite(src, e), nil
	}
	if from != F64 {
		return 0, fmt.Errorf("unsupported dtype of weights %s; supported: bf16, f16, f32, f64", from)
	}
	n := 0
	for ; len(src) >= 8; src = src[8:] {
		if x := math.Float64frombits(binary.LittleEndian.Uint64(src)); math.IsNaN(x) || math.IsInf(x, 0) {
			n++
		}
	}
	return n, nil
}
