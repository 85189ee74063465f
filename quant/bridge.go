package quant

import (
	"fmt"
	"math"

	"qimport/quant/kernel"
)

// This file carries quantized sources into MLX's modes without loss, where both hold the same
// numbers: FP8 blocks to MXFP8, and an NVFP4 global scale into the block scales.

// ExpandsToMXFP8 says whether t, FP8, is an mxfp8 tensor in other words: columns of whole groups,
// no group across two blocks, and every block scale a power of two that e8m0 holds. Then the data
// stay as they are and ExpandScales writes the scales. It does not look at the data, where NaN
// codes (NaNCodes) should be refused: some versions of MLX read them as 480.
func (t Tensor) ExpandsToMXFP8() bool {
	if t.Format.Mode != FP8 || FormatMXFP8.CheckShape(t.Shape) != nil {
		return false
	}
	if b := t.blocks(); b.wide%FormatMXFP8.GroupSize != 0 && b.across > 1 {
		return false
	}
	scales := make([]float32, len(t.Scales)/t.ScaleDtype.Size())
	if ToFloat32(scales, t.Scales, t.ScaleDtype) != nil {
		return false
	}
	for _, s := range scales {
		if !isE8M0(s) {
			return false
		}
	}
	return true
}

// isE8M0 says whether s is a power of two in 2^-127..2^127.
func isE8M0(s float32) bool {
	fraction, exponent := math.Frexp(float64(s)) // s = fraction * 2^exponent
	return fraction == 0.5 && exponent > -127 && exponent <= 128
}

// ExpandScales writes the e8m0 scale of every group of 32, of whole rows from row on. Whoever calls
// it has asked ExpandsToMXFP8.
func (t Tensor) ExpandScales(dst []byte, row int) error {
	b := t.blocks()
	perRow := b.cols / FormatMXFP8.GroupSize
	if row < 0 || len(dst)%perRow != 0 || row+len(dst)/perRow > Elements(t.Shape)/b.cols {
		return fmt.Errorf("rows %d and on, %d scales, are not rows of the shape %v", row, len(dst), t.Shape)
	}
	scales := make([]float32, b.across)
	for ; len(dst) > 0; dst, row = dst[perRow:], row+1 {
		if err := t.blockScales(scales, b, row); err != nil {
			return err
		}
		for g := range perRow {
			s := scales[g*FormatMXFP8.GroupSize/b.wide]
			if !isE8M0(s) {
				return fmt.Errorf("the scale %v of row %d is not a power of two", s, row)
			}
			dst[g] = byte(math.Ilogb(float64(s)) + 127)
		}
	}
	return nil
}

// NaNCodes counts the e4m3 codes that are no number.
func NaNCodes(codes []byte) int {
	n := 0
	for _, c := range codes {
		if c&0x7F == 0x7F {
			n++
		}
	}
	return n
}

// FoldsGlobal says whether t, NVFP4, needs no global scale: every block scale times its global scale
// is an e4m3 number again. In practice that is so of powers of two only.
func (t Tensor) FoldsGlobal() bool {
	if t.Format.Mode != NVFP4 {
		return false
	}
	for i, g := range t.Global {
		fold := foldTable(g)
		per := len(t.Scales) / len(t.Global)
		for _, s := range t.Scales[i*per : (i+1)*per] {
			if !fold[s].exact {
				return false
			}
		}
	}
	return true
}

// FoldScales writes the block scales, of whole rows from row on, times their global scale. Whoever
// calls it has asked FoldsGlobal.
func (t Tensor) FoldScales(dst []byte, row int) error {
	perRow := Columns(t.Shape) / FormatNVFP4.GroupSize
	at := row * perRow
	if row < 0 || len(dst)%perRow != 0 || at+len(dst) > len(t.Scales) {
		return fmt.Errorf("rows %d and on, %d scales, are not rows of the shape %v", row, len(dst), t.Shape)
	}
	if len(t.Global) == 0 {
		copy(dst, t.Scales[at:])
		return nil
	}
	per := len(t.Scales) / len(t.Global)
	var fold *[256]folded
	for i, s := range t.Scales[at : at+len(dst)] {
		if i == 0 || (at+i)%per == 0 {
			fold = foldTable(t.Global[(at+i)/per])
		}
		if !fold[s].exact {
			return fmt.Errorf("the scale %v of row %d times the global scale %v is not an e4m3 number",
				kernel.DecodeE4M3(s), row+i/perRow, t.Global[(at+i)/per])
		}
		dst[i] = fold[s].code
	}
	return nil
}

// folded is the code of a scale times a global scale, and whether it is that number exactly.
type folded struct {
	code  byte
	exact bool
}

// foldTable multiplies every e4m3 number by g. The products are exact in float64.
func foldTable(g float32) *[256]folded {
	var table [256]folded
	for s := range table {
		product := float64(kernel.DecodeE4M3(byte(s))) * float64(g)
		code := kernel.EncodeE4M3(float32(product))
		table[s] = folded{code, float64(kernel.DecodeE4M3(code)) == product}
	}
	return &table
}
