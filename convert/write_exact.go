package convert

import (
	"fmt"

	"qimport/quant"
)

// expandScales writes the e8m0 scale of every group of a span's rows: the exponent of the power of
// two that its FP8 block has. The elements stay.
func expandScales(dst []byte, src quant.Tensor, s span) error {
	rows, cols := matrixRows(src.Shape), quant.Columns(src.Shape)
	high, wide := src.Format.BlockRows, src.Format.BlockCols
	if high == 0 {
		high = rows
	}
	if wide == 0 {
		wide = cols
	}
	down, across := (rows+high-1)/high, (cols+wide-1)/wide
	scales := make([]float32, down*across)
	group := quant.FormatMXFP8.GroupSize
	for row, matrix := s.from, -1; row < s.to; row++ {
		if m := row / rows; m != matrix {
			matrix = m
			size := src.ScaleDtype.Size() * len(scales)
			if err := quant.ToFloat32(scales, src.Scales[m*size:(m+1)*size], src.ScaleDtype); err != nil {
				return err
			}
		}
		line := scales[row%rows/high*across:]
		for col := 0; col < cols; col += group {
			b, ok := e8m0(line[col/wide])
			if !ok {
				return fmt.Errorf("%w: its block scales have changed since the plan was made", ErrSource)
			}
			dst[0], dst = b, dst[1:]
		}
	}
	return nil
}

// matrixRows is the rows of the matrices that a tensor consists of.
func matrixRows(shape []int) int { return shape[len(shape)-2] }

// foldScales multiplies the block scales of a span's rows by the second scale of their expert.
func foldScales(dst []byte, src quant.Tensor, s span) {
	perRow := quant.Columns(src.Shape) / quant.FormatNVFP4.GroupSize
	perGlobal := len(src.Scales) / len(src.Global)
	var table [256]int
	for i, last := range src.Scales[s.from*perRow : s.to*perRow] {
		if at := s.from*perRow + i; i == 0 || at%perGlobal == 0 {
			table = foldTable(src.Global[at/perGlobal])
		}
		dst[i] = byte(table[last])
	}
}

// moveColours copies a patch embedding [out, time, height, width, channels] as
// [out, channels, time, height, width].
func moveColours(dst []byte, t quant.Tensor) {
	channels := quant.Columns(t.Shape)
	transpose(dst, t, quant.Elements(t.Shape[1:])/channels, channels)
}

// coloursLast copies a patch embedding [out, channels, time, height, width] as
// [out, time, height, width, channels].
func coloursLast(dst []byte, t quant.Tensor) {
	transpose(dst, t, t.Shape[1], quant.Elements(t.Shape[2:]))
}

// transpose copies a tensor [out, rows, cols], whatever its shape says, as [out, cols, rows].
func transpose(dst []byte, t quant.Tensor, rows, cols int) {
	size := t.Format.Dtype.Size()
	for o := range t.Shape[0] {
		for r := range rows {
			for c := range cols {
				from := ((o*rows+r)*cols + c) * size
				to := ((o*cols+c)*rows + r) * size
				copy(dst[to:to+size], t.Data[from:from+size])
			}
		}
	}
}

// addOne turns the gains w of release-form norms into the 1+w of converted ones, rounded to their
// dtype as mlx-lm does it.
func addOne(dst, src []byte, d quant.Dtype) error {
	values := make([]float32, len(src)/d.Size())
	if err := quant.ToFloat32(values, src, d); err != nil {
		return err
	}
	for i := range values {
		values[i]++
	}
	return quant.FromFloat32(dst, d, values)
}
