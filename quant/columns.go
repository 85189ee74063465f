package quant

import (
	"encoding/binary"
	"iter"
	"math"
)

// This file reads the formats of GPTQ and AWQ, whose arrays lie input by input where those of MLX lie
// row by row. Their value is (code - zero point) * scale, which affine holds as it is: with the same
// codes, the same scale and a bias of -zero point * scale.

// IsColumns says whether a tensor's arrays lie input by input: GPTQ and AWQ.
func (f Format) IsColumns() bool {
	return f.Mode == GPTQ || f.Mode == GPTQ2 || f.Mode == GPTQP || f.Mode == AWQ
}

// inputs is how many inputs share a scale, of cols in all.
func (f Format) inputs(cols int) int {
	if f.GroupSize == 0 {
		return max(cols, 1)
	}
	return f.GroupSize
}

// Affine is the affine format that holds a tensor of GPTQ or AWQ with that many columns, if its groups
// are whole ones of affine.
func (f Format) Affine(cols int) (Format, bool) {
	if !f.IsColumns() {
		return Format{}, false
	}
	return affineFor(f.Bits, f.inputs(cols), cols)
}

// affineFor is the affine format for codes of so many bits in rows of cols, of which each inputs share a
// scale: as many bits (eight for seven, which hold the same codes), and the largest group that divides
// both.
func affineFor(bits, inputs, cols int) (Format, bool) {
	if bits == 7 {
		bits = 8
	}
	for _, group := range []int{128, 64, 32} {
		a := AffineFormat(bits, group)
		if a.Validate() == nil && cols > 0 && cols%group == 0 && inputs%group == 0 {
			return a, true
		}
	}
	return Format{}, false
}

// columnLayout is where the arrays of one matrix [rows, cols] of a by-columns tensor lie, in 32-bit
// words, and elements of scales.
type columnLayout struct {
	rows, cols int
	groups     int // ceil(cols / group)
	inputs     int // of a group
	words      int // of the codes: GPTQ [cols*bits/32, rows], AWQ [cols, rows*bits/32]
	zeroWords  int // of one group's zero points: rows*bits/32
}

func (t Tensor) columns() columnLayout {
	c := columnLayout{rows: t.Shape[len(t.Shape)-2], cols: Columns(t.Shape)}
	c.inputs = t.Format.inputs(c.cols)
	c.groups = ceilDiv(c.cols, c.inputs)
	c.words = c.rows * c.cols * t.Format.Bits / 32
	c.zeroWords = c.rows * t.Format.Bits / 32
	return c
}

// rowFormat is what CopyRows makes of a by-columns tensor: affine with float32 scales, which hold its
// numbers exactly, or the values themselves where affine has no such groups.
func (t Tensor) rowFormat() Format {
	if f, ok := t.Format.Affine(Columns(t.Shape)); ok && len(t.Order) == 0 {
		return f
	}
	return FormatF32
}

// copyColumns is CopyRows of a by-columns tensor. The numbers stay exactly what they are: a code of up
// to 8 bits times a scale of f16 or bf16 has no more than 19 bits, of the 24 of float32.
func (t Tensor) copyColumns(dst []byte, from, to int) Tensor {
	n, c := to-from, t.columns()
	out := Tensor{Shape: []int{n, c.cols}, Format: t.rowFormat()}
	weight, scales, biases := out.Format.PartSizes(n*c.cols, F32)
	out.Data, dst = dst[:weight:weight], dst[weight:]
	if out.Format.IsQuantized() {
		out.ScaleDtype = F32
		out.Scales, out.Biases = dst[:scales:scales], dst[scales:scales+biases]
	}
	for row := from; row < to; { // a run of rows of one matrix
		m := row / c.rows
		run := min(to, (m+1)*c.rows) - row
		t.copyRun(out, c, m, row-m*c.rows, row-from, run)
		row += run
	}
	return out
}

// copyRun copies run rows of matrix m, from row on, to rows at of out.
func (t Tensor) copyRun(out Tensor, c columnLayout, m, row, at, run int) {
	data := t.Data[4*m*c.words : 4*(m+1)*c.words]
	groups := t.readGroups(c, m, row, run)
	if !out.Format.IsQuantized() {
		t.decodeRun(out.Data[4*at*c.cols:4*(at+run)*c.cols], c, data, groups, m, row, run)
		return
	}
	size := c.cols * out.Format.Bits / 8
	codes := out.Data[at*size : (at+run)*size]
	switch {
	case t.Format.Mode == GPTQP:
		planesToRows(codes, data, t.Format.Bits, out.Format.Bits, c, row, run)
	case t.Format.Mode != AWQ && t.Format.Bits == out.Format.Bits:
		wordsToRows(codes, data, c.rows, row, run)
	case t.Format.Bits == 4 && row%8 == 0 && run%8 == 0:
		nibblesToRows(codes, data, c.rows, c.cols, row, run)
	default:
		codesToRows(codes, data, t.Format, out.Format.Bits, c, row, run)
	}
	across := c.cols / out.Format.GroupSize
	for r := range run {
		for i := range across {
			g := groups[i*out.Format.GroupSize/c.inputs*run+r]
			binary.LittleEndian.PutUint32(out.Scales[4*((at+r)*across+i):], math.Float32bits(g.scale))
			binary.LittleEndian.PutUint32(out.Biases[4*((at+r)*across+i):], math.Float32bits(-g.zero*g.scale))
		}
	}
}

// columnGroup is what a group of inputs shares in one row: value = (code - zero) * scale.
type columnGroup struct{ scale, zero float32 }

// readGroups reads the scales and zero points of run rows of matrix m, from row on: all rows of the
// first group, then those of the next.
func (t Tensor) readGroups(c columnLayout, m, row, run int) []columnGroup {
	out := make([]columnGroup, c.groups*run)
	floats := make([]float32, run)
	size := t.ScaleDtype.Size()
	own := make([]byte, run*size) // kernels do not read borrowed bytes
	for g := range c.groups {
		first := (m*c.groups+g)*c.rows + row
		copy(own, t.Scales[first*size:(first+run)*size])
		if ToFloat32(floats, own, t.ScaleDtype) != nil {
			continue // Validate has seen the dtype
		}
		zeros := t.Zeros[4*(m*c.groups+g)*c.zeroWords:][:4*c.zeroWords]
		for r := range run {
			out[g*run+r] = columnGroup{floats[r], float32(zeroPoint(t.Format, zeros, row+r))}
		}
	}
	return out
}

// decodeRun writes the values of run rows of matrix m, from row on, as float32.
func (t Tensor) decodeRun(dst []byte, c columnLayout, data []byte, groups []columnGroup, m, row, run int) {
	for k := range c.cols {
		g := k / c.inputs
		if len(t.Order) > 0 {
			g = int(binary.LittleEndian.Uint32(t.Order[4*(m*c.cols+k):]))
		}
		for r := range run {
			of := groups[g*run+r]
			v := (float32(columnCode(t.Format, data, c, k, row+r)) - of.zero) * of.scale
			binary.LittleEndian.PutUint32(dst[4*(r*c.cols+k):], math.Float32bits(v))
		}
	}
}

// awqPlace is where among eight neighbours AWQ puts the row of that number.
var awqPlace = [8]int{0, 4, 1, 5, 2, 6, 3, 7}

// columnCode is the code of input k and row r: the definition of the packings. Both are streams of
// bits, least significant first. GPTQ has one for each row along the inputs, whose words lie c.rows
// apart; AWQ one for each input along the rows, in which eight rows at a time change places. GPTQP is as
// GPTQ, with planes of bits for streams.
func columnCode(f Format, data []byte, c columnLayout, k, r int) uint32 {
	if f.Mode == AWQ {
		return streamCode(data[4*k*c.zeroWords:], 1, f.Bits, r&^7+awqPlace[r%8])
	}
	if f.Mode == GPTQP {
		return planeCode(data[4*r:], c.rows, f.Bits, k)
	}
	return streamCode(data[4*r:], c.rows, f.Bits, k)
}

// streamCode is element i of a stream of bits whose 32-bit words lie apart words from each other.
func streamCode(data []byte, apart, bits, i int) uint32 {
	at, shift := i*bits/32*apart, i*bits%32
	word := uint64(binary.LittleEndian.Uint32(data[4*at:]))
	if shift+bits > 32 {
		word |= uint64(binary.LittleEndian.Uint32(data[4*(at+apart):])) << 32
	}
	return uint32(word>>shift) & (1<<bits - 1)
}

// zeroPoint is the zero point of row r, from those of its group, which are packed along the rows.
// GPTQ's first version stores it less one. Where a field fills a word with others, one is added to the
// whole words, as GPTQModel does: it also took them away so, and borrowed where a zero point was 0.
func zeroPoint(f Format, zeros []byte, r int) uint32 {
	mask := uint32(1)<<f.Bits - 1
	switch {
	case f.Mode == AWQ:
		return streamCode(zeros, 1, f.Bits, r&^7+awqPlace[r%8])
	case f.Mode == GPTQP:
		return planeCode(zeros, 1, f.Bits, r)
	case f.Mode == GPTQ && 32%f.Bits == 0:
		ones := ^uint32(0) / mask
		word := binary.LittleEndian.Uint32(zeros[r*f.Bits/32*4:]) + ones
		return word >> (r * f.Bits % 32) & mask
	case f.Mode == GPTQ:
		return (streamCode(zeros, 1, f.Bits, r) + 1) & mask
	}
	return streamCode(zeros, 1, f.Bits, r)
}

// codesToRows packs codes row by row, one at a time: the definition of what the faster ones do.
func codesToRows(dst, data []byte, f Format, bits int, c columnLayout, row, run int) {
	size, codes := c.cols*bits/8, make([]byte, c.cols)
	for r := range run {
		for k := range codes {
			codes[k] = byte(columnCode(f, data, c, k, row+r))
		}
		packCodes(dst[r*size:(r+1)*size], codes, bits)
	}
}

// wordsToRows turns GPTQ's words [words, rows] into those of run rows, from row on. The words
// themselves are MLX's: both are streams of bits along the inputs, least significant first.
func wordsToRows(dst, data []byte, rows, row, run int) {
	words := len(dst) / 4 / max(run, 1)
	for w := range words {
		src := data[4*(w*rows+row):][:4*run]
		for to := 4 * w; len(src) >= 4; to += 4 * words {
			*(*[4]byte)(dst[to:]) = [4]byte(src)
			src = src[4:]
		}
	}
}

// nibblesToRows turns AWQ's words [cols, rows/8] into those of run rows, from row on, eight by eight:
// row, run and cols are multiples of 8.
func nibblesToRows(dst, data []byte, rows, cols, row, run int) {
	across, words := rows/8, cols/8 // words of an input, of a row
	var block [8]uint32
	for k := range words {
		for o := range run / 8 {
			for i := range block {
				block[i] = binary.LittleEndian.Uint32(data[4*((8*k+i)*across+row/8+o):])
			}
			transposeNibbles(&block)
			for i, place := range awqPlace {
				binary.LittleEndian.PutUint32(dst[4*((8*o+i)*words+k):], block[place])
			}
		}
	}
}

// transposeNibbles makes nibble j of word i nibble i of word j: halves first, then bytes, then nibbles
// change places.
func transposeNibbles(b *[8]uint32) {
	for i := range 4 {
		swapBits(&b[i], &b[i+4], 16, 0x0000FFFF)
	}
	for _, i := range [4]int{0, 1, 4, 5} {
		swapBits(&b[i], &b[i+2], 8, 0x00FF00FF)
	}
	for i := 0; i < 8; i += 2 {
		swapBits(&b[i], &b[i+1], 4, 0x0F0F0F0F)
	}
}

// swapBits changes the bits of high under mask for those of low that lie shift above it.
func swapBits(low, high *uint32, shift int, mask uint32) {
	x := (*low>>shift ^ *high) & mask
	*high ^= x
	*low ^= x << shift
}

// OneZeroPoint is the zero point that all groups of a by-columns tensor share, and whether they share
// one. It reads borrowed bytes.
func (t Tensor) OneZeroPoint() (zero uint32, same bool) {
	first := true
	for z := range t.zeroPoints() {
		if first {
			zero, first = z, false
		}
		if z != zero {
			return zero, false
		}
	}
	return zero, !first
}

// BiasesFit says whether a bias of -zero point * scale is a number of the scales' dtype in every group:
// with zero points that are powers of two, as all those of symmetric weights are, or with float32
// scales. It reads borrowed bytes.
func (t Tensor) BiasesFit() bool {
	if t.ScaleDtype == F32 {
		return true
	}
	for z := range t.zeroPoints() {
		if z&(z-1) != 0 {
			return false
		}
	}
	return true
}

// zeroPoints are those of all groups and rows.
func (t Tensor) zeroPoints() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		c := t.columns()
		for at := 0; at+4*c.zeroWords <= len(t.Zeros) && c.zeroWords > 0; at += 4 * c.zeroWords {
			for r := range c.rows {
				if !yield(zeroPoint(t.Format, t.Zeros[at:at+4*c.zeroWords], r)) {
					return
				}
			}
		}
	}
}
