package source

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"qimport/quant"
)

// compressed is a packed tensor of compressed-tensors: 4-bit floats as weight_packed U8 [.., in/2], whose
// bytes are those of MLX's words, with MLX's very scale bytes, or integers.
func (c *classifier) compressed(b *bundle, t *Tensor) error {
	if c.scheme.method != methodCompressed {
		return fmt.Errorf("%s is there, but the config names no compressed-tensors quantization", b.packed.Name)
	}
	g, err := c.scheme.compressed.group(t, strings.TrimSuffix(b.main, ".weight"))
	if err != nil {
		return err
	}
	switch {
	case g.format.Mode == quant.Int && g.format.Packing == quant.Words:
		return c.compressedPacked(b, t, g)
	case g.format.Mode != quant.NVFP4 && g.format.Mode != quant.MXFP4:
		return fmt.Errorf("group %s of the config says %s, but it is %s", g.name, g.format, b.packed)
	case !b.scale.Exists():
		return errors.New("weight_scale is missing")
	}
	if err := setFP4(t, g.format, b.packed, b.scale); err != nil {
		return fmt.Errorf("group %s of the config says %s, but %w", g.name, g.format, err)
	}
	for _, extra := range []Part{b.zeros, b.factor} {
		if err := refuse(extra); err != nil {
			return err
		}
	}
	if g.format.Mode == quant.MXFP4 {
		return refuse(b.divisor)
	}
	if !b.divisor.Exists() {
		return errors.New("weight_global_scale is missing")
	}
	t.Global, t.Pieces[0].Global = GlobalInverse, b.divisor
	return checkGlobal(b.divisor, t)
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
