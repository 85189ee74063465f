package quant

import (
	"fmt"
	"math"
)

// Packed is where Encode writes: the parts of Format.Layout, exactly sized. Parts that the format
// has not are empty.
type Packed struct {
	Weight, Scales, Biases []byte
	// Global, which the caller chooses, is the global scale of nvfp4, by which decoding multiplies
	// every value: see Tensor.Global, and GlobalScale for a good one. 0 and 1 are none.
	Global float32
}

// PartSizes says how many bytes n elements, whole groups, take in each part. scale is the type of
// affine scales and biases.
func (f Format) PartSizes(n int, scale Dtype) (weight, scales, biases int) {
	if f.Mode == Plain {
		return n * f.Dtype.Size(), 0, 0
	}
	groups := n / f.GroupSize
	if f.Mode == Affine {
		return n * f.Bits / 8, groups * scale.Size(), groups * scale.Size()
	}
	return n * f.Bits / 8, groups, 0
}

// Piece is the part of p that holds elements [from, to) of the tensor, both at group borders. Pieces
// that do not overlap may be encoded at the same time.
func (p Packed) Piece(f Format, scale Dtype, from, to int) Packed {
	w0, s0, b0 := f.PartSizes(from, scale)
	w1, s1, b1 := f.PartSizes(to, scale)
	return Packed{Weight: p.Weight[w0:w1], Scales: p.Scales[s0:s1], Biases: p.Biases[b0:b1], Global: p.Global}
}

// check holds p against n elements of format f.
func (p Packed) check(f Format, n int, scale Dtype) error {
	if err := f.Validate(); err != nil {
		return err
	}
	if f.Mode == Keep || f.Mode == FP8 || f.Mode == Int {
		return fmt.Errorf("%s is no format to encode to", f)
	}
	if f.IsQuantized() && n%f.GroupSize != 0 {
		return fmt.Errorf("%s: %d elements are not whole groups of %d", f, n, f.GroupSize)
	}
	w, s, b := f.PartSizes(n, scale)
	if len(p.Weight) != w || len(p.Scales) != s || len(p.Biases) != b {
		return fmt.Errorf("%s of %d elements needs parts of %d, %d and %d bytes, not %d, %d and %d",
			f, n, w, s, b, len(p.Weight), len(p.Scales), len(p.Biases))
	}
	return p.checkGlobal(f)
}

// checkGlobal refuses a global scale that is not positive, or whose reciprocal is not finite.
func (p Packed) checkGlobal(f Format) error {
	if p.Global == 0 {
		return nil
	}
	if enc := 1 / p.Global; f.Mode != NVFP4 || !(enc > 0) || math.IsInf(float64(enc), 0) {
		return fmt.Errorf("%s cannot be encoded with a global scale of %v", f, p.Global)
	}
	return nil
}

// global is the factor of every value of p.
func (p Packed) global() float32 {
	if p.Global == 0 {
		return 1
	}
	return p.Global
}
