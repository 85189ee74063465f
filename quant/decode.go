package quant

import (
	"fmt"

	"qimport/quant/kernel"
)

// Decode writes whole rows of t as float32: rows [row, row+len(dst)/columns), where a row is one
// line of the last dimension, counted over all leading dimensions. Pieces that do not overlap may
// be decoded at the same time. Whoever made t has called Validate.
func (t Tensor) Decode(dst []float32, row int) error {
	cols := Columns(t.Shape)
	if len(dst) == 0 {
		return nil
	}
	if cols == 0 || len(dst)%cols != 0 || row < 0 || row+len(dst)/cols > Elements(t.Shape)/cols {
		return fmt.Errorf("rows %d and on, %d values, are not rows of the shape %v", row, len(dst), t.Shape)
	}
	err := t.decode(dst, row)
	if len(t.Inputs) > 0 {
		for i := range dst {
			dst[i] *= t.Inputs[i%cols]
		}
	}
	return err
}

// decode does the work of Decode on rows that were checked, apart from the scales of inputs.
func (t Tensor) decode(dst []float32, row int) error {
	cols := Columns(t.Shape)
	if t.Turned() {
		n := len(dst) / cols
		return t.CopyRows(make([]byte, t.RowsSize(n)), row, row+n).decode(dst, 0)
	}
	switch t.Format.Mode {
	case Plain:
		size := cols * t.Format.Dtype.Size()
		return ToFloat32(dst, t.Data[row*size:row*size+len(dst)*t.Format.Dtype.Size()], t.Format.Dtype)
	case FP8:
		return t.decodeFP8(dst, row)
	case Int:
		return t.decodeInts(dst, row)
	case GPTQ, GPTQ2, GPTQP, AWQ:
		n := len(dst) / cols
		return t.CopyRows(make([]byte, t.RowsSize(n)), row, row+n).Decode(dst, 0)
	case Keep:
		return fmt.Errorf("a tensor needs a format")
	}
	return t.decodeGroups(dst, row*cols)
}

// decodeGroups decodes len(dst) elements from element at on, whole groups, of an MLX mode.
func (t Tensor) decodeGroups(dst []float32, at int) error {
	p := Packed{Weight: t.Data, Scales: t.Scales, Biases: t.Biases}
	p = p.Piece(t.Format, t.ScaleDtype, at, at+len(dst))
	k := kernel.Best()
	switch t.Format.Mode {
	case NVFP4:
		t.decodeNVFP4(dst, p, at)
	case MXFP4:
		k.DecodeMXFP4(dst, p.Weight, p.Scales)
	case MXFP8:
		k.DecodeMXFP8(dst, p.Weight, p.Scales)
	case Affine:
		scale, ok := t.ScaleDtype.elem()
		if !ok {
			return fmt.Errorf("%s: scales cannot be %q", t.Format, t.ScaleDtype)
		}
		k.DecodeAffine(dst, p.Weight, p.Scales, p.Biases, scale, t.Format.Bits, t.Format.GroupSize)
	}
	return nil
}

// decodeNVFP4 cuts the piece where the global scale changes: at each expert, or nowhere.
func (t Tensor) decodeNVFP4(dst []float32, p Packed, at int) {
	global, span := float32(1), Elements(t.Shape)
	if len(t.Global) > 1 {
		span /= len(t.Global)
	}
	for done := 0; done < len(dst); {
		n := min(span-(at+done)%span, len(dst)-done)
		if len(t.Global) > 0 {
			global = t.Global[(at+done)/span]
		}
		q := p.Piece(FormatNVFP4, NoDtype, done, done+n)
		kernel.Best().DecodeNVFP4(dst[done:done+n], q.Weight, q.Scales, global)
		done += n
	}
}

// decodeFP8 multiplies each element by the scale of its block.
func (t Tensor) decodeFP8(dst []float32, row int) error {
	b := t.blocks()
	scales := make([]float32, b.across)
	for ; len(dst) > 0; dst, row = dst[b.cols:], row+1 {
		if err := t.blockScales(scales, b, row); err != nil {
			return err
		}
		data := t.Data[row*b.cols:][:b.cols]
		for i, s := range scales {
			from, to := i*b.wide, min((i+1)*b.wide, b.cols)
			kernel.Best().DecodeE4M3(dst[from:to], data[from:to], s)
		}
	}
	return nil
}

// blockScales reads the scales of the blocks that row, counted over all matrices, runs through.
func (t Tensor) blockScales(dst []float32, b blocks, row int) error {
	size := t.ScaleDtype.Size()
	first := b.scales(row)
	return ToFloat32(dst, t.Scales[first*size:(first+b.across)*size], t.ScaleDtype)
}
