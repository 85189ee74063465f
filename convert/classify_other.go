package convert

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"qimport/quant"
)

// compressed is a packed tensor of compressed-tensors: weight_packed U8 [.., in/2], whose bytes are
// those of MLX's words, and weight_scale with MLX's very scale bytes.
func (c *classifier) compressed(b *bundle, t *Tensor) error {
	if c.scheme.method != methodCompressed {
		return fmt.Errorf("%s is there, but the config names no compressed-tensors quantization", b.packed.Name)
	}
	g, err := c.scheme.compressed.group(strings.TrimSuffix(b.main, ".weight"))
	if err != nil {
		return err
	}
	if g.format.Mode != quant.NVFP4 && g.format.Mode != quant.MXFP4 {
		return fmt.Errorf("group %s of the config says %s, but it is %s", g.name, g.format, b.packed)
	}
	if !b.scale.Exists() {
		return errors.New("weight_scale is missing")
	}
	if err := setFP4(t, g.format, b.packed, b.scale); err != nil {
		return fmt.Errorf("group %s of the config says %s, but %w", g.name, g.format, err)
	}
	if g.format.Mode == quant.MXFP4 {
		return refuse(b.global1)
	}
	if !b.global1.Exists() {
		return errors.New("weight_global_scale is missing")
	}
	t.Global, t.Pieces[0].Global = GlobalInverse, b.global1
	return checkGlobal(b.global1, t)
}

// modelOpt is ModelOpt's NVFP4: weight U8 [.., in/2], weight_scale, and weight_scale_2 as it is.
func (c *classifier) modelOpt(b *bundle, t *Tensor) error {
	if c.scheme.method != methodModelOpt {
		return fmt.Errorf("it is %s with a weight_scale, as ModelOpt has it, but neither config.json nor hf_quant_config.json names ModelOpt", b.weight)
	}
	if err := setFP4(t, quant.FormatNVFP4, b.weight, b.scale); err != nil {
		return fmt.Errorf("for NVFP4 %w", err)
	}
	if !b.scale2.Exists() {
		return errors.New("weight_scale_2 is missing")
	}
	t.Global, t.Pieces[0].Global = GlobalFactor, b.scale2
	return checkGlobal(b.scale2, t)
}

// setFP4 fills in a tensor of 4-bit elements packed in bytes.
func setFP4(t *Tensor, f quant.Format, weight, scale Part) error {
	scaleDtypes := []quant.Dtype{quant.F8E4M3}
	if f.Mode == quant.MXFP4 {
		scaleDtypes = []quant.Dtype{quant.U8, quant.F8E8M0}
	}
	shape := unpacked(weight.Shape, 8, f.Bits)
	want, err := f.Layout(shape, quant.NoDtype)
	if err != nil || weight.Dtype != quant.U8 || !slices.Contains(scaleDtypes, scale.Dtype) || !slices.Equal(scale.Shape, want.Scales.Shape) {
		return fmt.Errorf("its weight is %s with scales %s", weight, scale)
	}
	t.Shape, t.Format = shape, f
	t.Pieces = []Piece{{Weight: weight, Scales: scale}}
	return nil
}

func refuse(extra Part) error {
	if extra.Exists() {
		return fmt.Errorf("%s is there, for which its format has no use", extra.Name)
	}
	return nil
}

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
	for _, extra := range []Part{b.scale2, b.global1} {
		if err := refuse(extra); err != nil {
			return err
		}
	}
	f, err := c.fp8Format(b, scale)
	if err != nil {
		return err
	}
	if len(b.weight.Shape) < 2 || !scale.Dtype.IsFloat() || !fitsBlocks(f, b.weight.Shape, scale.Shape) {
		return fmt.Errorf("it is %s in %s, for which its scales %s do not fit", b.weight, blocks(f), scale)
	}
	t.Shape, t.Format, t.ScaleDtype = b.weight.Shape, f, scale.Dtype
	t.Pieces = []Piece{{Weight: b.weight, Scales: scale}}
	return nil
}

// fp8Format says which weights share a scale.
func (c *classifier) fp8Format(b *bundle, scale Part) (quant.Format, error) {
	f := quant.Format{Mode: quant.FP8, Bits: 8}
	switch c.scheme.method {
	case methodCompressed:
		g, err := c.scheme.compressed.group(strings.TrimSuffix(b.main, ".weight"))
		if err == nil && g.format.Mode != quant.FP8 {
			err = fmt.Errorf("group %s of the config says %s, but it is %s", g.name, g.format, b.weight)
		}
		return g.format, err
	case methodFP8:
		f.BlockRows, f.BlockCols = c.scheme.fp8.blockRows, c.scheme.fp8.blockCols
		if f.BlockRows == 0 && quant.Elements(scale.Shape) != 1 {
			return f, fmt.Errorf("its scales are %s, but the config has no weight_block_size", scale)
		}
		return f, nil
	case methodModelOpt:
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
