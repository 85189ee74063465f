package quant

import (
	"errors"
	"fmt"
)

// Packing is how the codes of integers lie in memory. A code is the integer with half the range of its
// bits added, so that it is never negative: 0 to 15 for -8 to 7.
type Packing uint8

const (
	// Words: codes one after the other, least significant bits first, over 32-bit words with which each
	// row begins anew. Zero points lie so along the rows, a word [ceil(rows*bits/32), groups]. This is
	// compressed-tensors' pack-quantized.
	Words Packing = iota
	// Bytes: the integers themselves as int8, zero points too.
	Bytes
	// RowPairs: 4-bit integers in two's complement, the even row of two in the low half of a byte, which
	// makes [rows/2, in] bytes; no zero points. This is ModelOpt's int4.
	RowPairs
	// WholeWords: as Words, but no word's end cuts a code: each has 32/bits of them, and what is left is empty. For
	// 2, 4 and 8 bits that is Words. This is pack-quantized of compressed-tensors before 0.18.
	WholeWords
)

// IntFormat is integers of that many bits with a scale a group of a row; group 0 is a scale a row.
func IntFormat(bits, group int, p Packing, zeros bool) Format {
	return Format{Mode: Int, Bits: bits, GroupSize: group, BlockRows: 1, Packing: p, Zeros: zeros}
}

func (f Format) intName() string {
	by := fmt.Sprint(f.GroupSize)
	switch {
	case f.BlockRows == 0:
		by = "tensor"
	case f.GroupSize == 0:
		by = "row"
	}
	if f.Zeros {
		by += ":asym"
	}
	return fmt.Sprintf("int:%d:%s", f.Bits, by)
}

func (f Format) validInt() bool {
	switch {
	case f.Bits < 2 || f.Bits > 8 || f.GroupSize < 0 || f.BlockRows < 0 || f.BlockRows > 1 || f.BlockCols != 0 || f.Dtype != NoDtype:
		return false
	case f.BlockRows == 0 && f.GroupSize != 0:
		return false
	case f.Packing == RowPairs:
		return f.Bits == 4 && !f.Zeros
	}
	return f.Packing <= RowPairs || f.Packing == WholeWords && 32%f.Bits != 0
}

// InWholeWords is the format with codes in whole words, if that is another one.
func (f Format) InWholeWords() (Format, bool) {
	if f.Mode != Int || f.Packing != Words {
		return f, false
	}
	f.Packing = WholeWords
	return f, f.validInt()
}

// words is how many words n codes fill.
func (f Format) words(n int) int {
	if f.Packing == WholeWords {
		return ceilDiv(n, 32/f.Bits)
	}
	return ceilDiv(n*f.Bits, 32)
}

// bitOf is the bit at which a code lies, counted over its line's words.
func (f Format) bitOf(i int) int {
	if f.Packing == WholeWords {
		inWord := 32 / f.Bits
		return i/inWord*32 + i%inWord*f.Bits
	}
	return i * f.Bits
}

// checkInts says why integers of format f cannot be a tensor of that shape, or nil.
func (f Format) checkInts(shape []int) error {
	if len(shape) != 2 || Elements(shape) == 0 {
		return fmt.Errorf("%s needs a matrix, the shape is %v", f, shape)
	}
	if f.Packing == RowPairs && shape[0]%2 != 0 {
		return fmt.Errorf("%s has two rows in a byte, the shape is %v", f, shape)
	}
	return nil
}

// IntLayout says which arrays integers of format f and that shape are: the codes, their scales of that
// dtype, and the zero points, which have no dtype where there are none.
func (f Format) IntLayout(shape []int, scale Dtype) (weight, scales, zeros Part, err error) {
	if !f.validInt() || f.Mode != Int {
		return weight, scales, zeros, fmt.Errorf("%s: %w", f, ErrFormat)
	}
	if err := errors.Join(checkDimensions(shape), f.checkInts(shape)); err != nil {
		return weight, scales, zeros, err
	}
	rows, cols, groups := shape[0], shape[1], f.Groups(shape[1])
	scales = Part{scale, []int{rows, groups}}
	if f.BlockRows == 0 {
		scales.Shape = []int{1, 1}
	}
	switch f.Packing {
	case Words, WholeWords:
		weight = Part{I32, []int{rows, f.words(cols)}}
		zeros = Part{I32, []int{f.words(scales.Shape[0]), scales.Shape[1]}}
	case Bytes:
		weight, zeros = Part{I8, shape}, Part{I8, scales.Shape}
	case RowPairs:
		weight = Part{U8, []int{rows / 2, cols}}
	}
	if !f.Zeros {
		zeros = Part{}
	}
	return weight, scales, zeros, nil
}

// Groups is how many scales a row of integers, GPTQ or AWQ has.
func (f Format) Groups(cols int) int {
	if f.GroupSize == 0 {
		return 1
	}
	return ceilDiv(cols, f.GroupSize)
}

func (t Tensor) intSizes() (data, scales int) {
	weight, scale, _, err := t.Format.IntLayout(t.Shape, t.ScaleDtype)
	if err != nil {
		return 0, 0
	}
	return int(weight.Bytes()), int(scale.Bytes())
}

func (t Tensor) zerosSize() int {
	if t.Format.Mode != Int {
		return 0
	}
	_, _, zeros, err := t.Format.IntLayout(t.Shape, t.ScaleDtype)
	if err != nil {
		return 0
	}
	return int(zeros.Bytes())
}

// AffineOf is the affine format that holds the very numbers of integers of format f in rows of cols, and
// the dtype of its scales and biases for scales of that dtype: (code - zero) * scale is code * scale + bias
// with the bias -zero * scale. Without zero points, zero is a power of two, so that the bias has the
// scale's own precision; with them it needs up to eight bits more, which float32 has. Not ok: no group of
// affine divides the integers' own.
func (f Format) AffineOf(cols int, scale Dtype) (affine Format, dtype Dtype, ok bool) {
	if f.Mode != Int {
		return Format{}, NoDtype, false
	}
	if f.Zeros {
		scale = F32
	}
	affine, ok = affineFor(f.Bits, f.inputs(cols), cols)
	if !ok {
		return Format{}, NoDtype, false
	}
	return affine, scale, true
}
