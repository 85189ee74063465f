package source

import (
	"fmt"
	"slices"
	"strings"

	"qimport/quant"
)

// fp8 is e4m3 weights with float scales: one for each block, row or tensor, as the config says.
func (c *classifier) fp8(b *bundle, t *Tensor) error {
	scale := b.inverse
	if !scale.Exists() {
		scale = b.scale
	} else if b.scale.Exists() {
		return fmt.Errorf("it has both %s and %s", scale.Name, b.scale.Name)
	}
	if !scale.Exists() {
		return fmt.Errorf("it is %s, but its weight_scale_inv or weight_scale is missing", b.weight)
	}
	for _, extra := range []Part{b.factor, b.divisor, b.zeros, b.dims} {
		if err := refuse(extra); err != nil {
			return err
		}
	}
	f, err := c.fp8Format(b, t, scale)
	if err != nil {
		return err
	}
	if f.Mode == quant.MXFP8 {
		return setMXFP8(t, b.weight, scale)
	}
	return setFP8(t, f, b.weight, scale)
}

// setFP8 fills in a tensor of e4m3 elements with float scales.
func setFP8(t *Tensor, f quant.Format, weight, scale Part) error {
	if len(weight.Shape) < 2 || !scale.Dtype.IsFloat() || !fitsBlocks(f, weight.Shape, scale.Shape) {
		return fmt.Errorf("it is %s in %s, for which its scales %s do not fit", weight, blocks(f), scale)
	}
	t.Shape, t.Format, t.ScaleDtype = weight.Shape, f, scale.Dtype
	t.Pieces = []Piece{{Weight: weight, Scales: scale}}
	return nil
}

// setMXFP8 fills in a tensor of e4m3 elements with powers of two as scales, which MLX has in the same bytes.
func setMXFP8(t *Tensor, weight, scale Part) error {
	f := quant.FormatMXFP8
	want, err := f.Layout(weight.Shape, quant.NoDtype)
	if err != nil || scale.Dtype != quant.U8 && scale.Dtype != quant.F8E8M0 || !slices.Equal(scale.Shape, want.Scales.Shape) {
		return fmt.Errorf("it is %s with scales %s, which is no %s", weight, scale, f)
	}
	t.Shape, t.Format = weight.Shape, f
	t.Pieces = []Piece{{Weight: weight, Scales: scale}}
	return nil
}

// fp8Format says which weights share a scale.
func (c *classifier) fp8Format(b *bundle, t *Tensor, scale Part) (quant.Format, error) {
	f := quant.Format{Mode: quant.FP8, Bits: 8}
	switch c.scheme.method {
	case methodCompressed:
		g, err := c.scheme.compressed.group(t, strings.TrimSuffix(b.main, ".weight"))
		if err == nil && g.format.Mode != quant.FP8 && g.format.Mode != quant.MXFP8 {
			err = fmt.Errorf("group %s of the config says %s, but it is %s", g.name, g.format, b.weight)
		}
		return g.format, err
	case methodFP8:
		f.BlockRows, f.BlockCols = c.scheme.fp8.blockRows, c.scheme.fp8.blockCols
		if f.BlockRows == 0 && quant.Elements(scale.Shape) != 1 {
			return f, fmt.Errorf("its scales are %s, but the config has no weight_block_size", scale)
		}
		return f, nil
	}
	return f, fmt.Errorf("it is %s, but the config names no quantization that has such weights", b.weight)
}

func blocks(f quant.Format) string {
	switch {
	case f.BlockRows == 0:
		return "one block"
	case f.BlockCols == 0:
		return "blocks of a row"
	}
	return fmt.Sprintf("blocks of %dx%d", f.BlockRows, f.BlockCols)
}

// fitsBlocks says whether scales of that shape are one for each block of a weight, experts apart.
// One for a row or a whole tensor may leave out dimensions of 1.
func fitsBlocks(f quant.Format, weight, scales []int) bool {
	n := len(weight)
	rows, cols := 1, 1
	if f.BlockRows > 0 {
		rows = (weight[n-2] + f.BlockRows - 1) / f.BlockRows
	}
	if f.BlockCols > 0 {
		cols = (weight[n-1] + f.BlockCols - 1) / f.BlockCols
	}
	want := append(slices.Clone(weight[:n-2]), rows, cols)
	if f.BlockCols > 0 {
		return slices.Equal(scales, want)
	}
	ones := func(d int) bool { return d == 1 }
	return slices.Equal(slices.DeleteFunc(slices.Clone(scales), ones), slices.DeleteFunc(want, ones))
}
