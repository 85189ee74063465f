package quant

import (
	"encoding/binary"
	"fmt"
)

// This file reads rows of integers. Only Go code does: the bytes may be those of a mapped file.

// CheckCodes refuses bytes of rows [from, to) that are no integers of the format's bits, which only
// Bytes can hold. Whoever copies rows of a file has asked it.
func (t Tensor) CheckCodes(from, to int) error {
	if t.Format.Mode != Int || t.Format.Packing != Bytes || t.Format.Bits == 8 {
		return nil
	}
	cols, half := Columns(t.Shape), 1<<(t.Format.Bits-1)
	for i, b := range t.Data[from*cols : to*cols] {
		if v := int(int8(b)); v < -half || v >= half {
			return fmt.Errorf("row %d holds the integer %d, which %d bits cannot", from+i/cols, v, t.Format.Bits)
		}
	}
	return nil
}

// intRowsSize is what n rows take as copyInts leaves them.
func (t Tensor) intRowsSize(n int) int {
	cols := Columns(t.Shape)
	if affine, dtype, ok := t.affine(); ok {
		weight, scales, biases := affine.PartSizes(n*cols, dtype)
		return weight + scales + biases
	}
	return 4 * n * cols
}

// affine is what a copy is: affine where a format holds these numbers and nothing is to be done to them.
func (t Tensor) affine() (Format, Dtype, bool) {
	f, dtype, ok := t.Format.AffineOf(Columns(t.Shape), t.ScaleDtype)
	return f, dtype, ok && len(t.Inputs) == 0 && len(t.Order) == 0
}

// copyInts fills out, a tensor of as many rows as its shape says, from row from on: affine where a format
// holds these numbers, else float32.
func (t Tensor) copyInts(out *Tensor, dst []byte, from int) {
	n, cols := out.Shape[0], out.Shape[1]
	affine, dtype, ok := t.affine()
	if !ok {
		out.Format, out.ScaleDtype, out.Data = FormatF32, NoDtype, dst[:4*n*cols]
		t.copyValues(out.Data, from, n)
		return
	}
	weight, scales, biases := affine.PartSizes(n*cols, dtype)
	out.Format, out.ScaleDtype = affine, dtype
	out.Data, out.Scales, out.Biases = dst[:weight:weight], dst[weight:weight+scales], dst[weight+scales:weight+scales+biases]
	t.copyCodes(out.Data, affine.Bits, from, n)
	r, groups := t.intScales(), cols/affine.GroupSize
	own, biasOf := make([]float32, groups), make([]float32, groups)
	for row := range n {
		r.read(from + row)
		for g := range groups {
			i := t.groupOf(g * affine.GroupSize)
			own[g], biasOf[g] = r.scales[i], -r.zeros[i]*r.scales[i]
		}
		at, size := row*groups*dtype.Size(), groups*dtype.Size()
		putFloats(out.Scales[at:][:size], dtype, own)
		putFloats(out.Biases[at:][:size], dtype, biasOf)
	}
}

// groupOf is the group, of the integers' own, that a column is in.
func (t Tensor) groupOf(col int) int {
	switch {
	case t.Format.GroupSize == 0:
		return 0
	case len(t.Order) > 0:
		return int(binary.LittleEndian.Uint32(t.Order[4*col:]))
	}
	return col / t.Format.GroupSize
}

// putFloats writes numbers, rounded to nearest even, as scales of that dtype.
func putFloats(dst []byte, d Dtype, src []float32) {
	if err := FromFloat32(dst, d, src); err != nil {
		panic(err) // AffineOf knows no other dtypes
	}
}

// copyCodes packs the codes of n rows at that many bits, least significant first.
func (t Tensor) copyCodes(dst []byte, bits, from, n int) {
	rows, cols := t.rows(), Columns(t.Shape)
	size := cols * bits / 8
	if t.Format.Packing == Words && bits == t.Format.Bits && len(t.Data) == rows*size {
		copy(dst, t.Data[from*size:][:n*size])
		return
	}
	codes := make([]byte, cols)
	for row := range n {
		t.codes(codes, from+row)
		packCodes(dst[row*size:][:size], codes, bits)
	}
}

// copyValues writes n rows of float32.
func (t Tensor) copyValues(dst []byte, from, n int) {
	cols := Columns(t.Shape)
	codes, values := make([]byte, cols), make([]float32, cols)
	r := t.intScales()
	for row := range n {
		t.codes(codes, from+row)
		r.read(from + row)
		for c, code := range codes {
			i := t.groupOf(c)
			values[c] = (float32(code) - r.zeros[i]) * r.scales[i]
		}
		putFloats(dst[4*row*cols:][:4*cols], F32, values)
	}
}

// decodeInts is Decode of integers: of each the product by its scale, rounded once.
func (t Tensor) decodeInts(dst []float32, row int) error {
	n := len(dst) / Columns(t.Shape)
	if err := t.CheckCodes(row, row+n); err != nil {
		return err
	}
	t.copyValues(Float32s(dst).Data, row, n)
	return nil
}

// codes writes the codes of a row, one a byte.
func (t Tensor) codes(dst []byte, row int) {
	cols, bits := len(dst), t.Format.Bits
	half := byte(1) << (bits - 1)
	switch t.Format.Packing {
	case Words:
		size := 4 * t.Format.words(cols)
		unpackCodes(dst, t.Data[row*size:][:size], bits)
	case WholeWords:
		size := 4 * t.Format.words(cols)
		unpackWholeWords(dst, t.Data[row*size:][:size], bits)
	case Bytes:
		for i, b := range t.Data[row*cols:][:cols] {
			dst[i] = b + half
		}
	case RowPairs:
		shift := 4 * (row % 2)
		for i, b := range t.Data[row/2*cols:][:cols] {
			dst[i] = b>>shift&0x0F ^ half
		}
	}
}

// unpackCodes reads codes of so many bits, least significant first, from whole words.
func unpackCodes(dst, src []byte, bits int) {
	mask := uint16(1)<<bits - 1
	for i := range dst {
		at := i * bits
		two := uint16(src[at/8])
		if at/8+1 < len(src) {
			two |= uint16(src[at/8+1]) << 8
		}
		dst[i] = byte(two >> (at % 8) & mask)
	}
}

// unpackWholeWords reads codes of so many bits, least significant first, none of which a word's end cuts.
func unpackWholeWords(dst, src []byte, bits int) {
	mask := uint32(1)<<bits - 1
	for ; len(dst) > 0; src = src[4:] {
		word, n := binary.LittleEndian.Uint32(src), min(32/bits, len(dst))
		for i := range n {
			dst[i] = byte(word & mask)
			word >>= bits
		}
		dst = dst[n:]
	}
}

// packCodes writes codes of so many bits, least significant first; they fill dst.
func packCodes(dst, codes []byte, bits int) {
	if bits == 8 {
		copy(dst, codes)
		return
	}
	held, count := uint32(0), 0
	for _, c := range codes {
		held |= uint32(c) << count
		for count += bits; count >= 8; count -= 8 {
			dst[0], dst = byte(held), dst[1:]
			held >>= 8
		}
	}
}

// intScales reads the scales and zero points of a row of integers.
type intScales struct {
	of            Tensor
	raw           []byte
	scales, zeros []float32 // of a row, one a group
}

func (t Tensor) intScales() *intScales {
	n := t.Format.Groups(Columns(t.Shape))
	return &intScales{of: t, raw: make([]byte, n*t.ScaleDtype.Size()), scales: make([]float32, n), zeros: make([]float32, n)}
}

// read fills in the row's scales and zeros.
func (r *intScales) read(row int) {
	f, n := r.of.Format, len(r.scales)
	row *= f.BlockRows
	copy(r.raw, r.of.Scales[row*len(r.raw):])
	if err := ToFloat32(r.scales, r.raw, r.of.ScaleDtype); err != nil {
		panic(err) // Validate has made sure
	}
	half := 1 << (f.Bits - 1)
	for i := range r.zeros {
		switch {
		case !f.Zeros:
			r.zeros[i] = float32(half)
		case f.Packing == Words || f.Packing == WholeWords:
			r.zeros[i] = float32(r.of.zeroInWords(row, i))
		default:
			r.zeros[i] = float32(int(int8(r.of.Zeros[row*n+i])) + half)
		}
	}
}

// zeroInWords is the code of zero of one group of a row: codes run down the rows.
func (t Tensor) zeroInWords(row, group int) int {
	n, at := t.Format.Groups(Columns(t.Shape)), t.Format.bitOf(row)
	word := func(w int) uint64 {
		if i := 4 * (w*n + group); i < len(t.Zeros) {
			return uint64(binary.LittleEndian.Uint32(t.Zeros[i:]))
		}
		return 0
	}
	two := word(at/32) | word(at/32+1)<<32
	return int(two >> (at % 32) & (1<<t.Format.Bits - 1))
}
