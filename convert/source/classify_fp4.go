package source

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
		return refuse(b.divisor)
	}
	if !b.divisor.Exists() {
		return errors.New("weight_global_scale is missing")
	}
	t.Global, t.Pieces[0].Global = GlobalInverse, b.divisor
	return checkGlobal(b.divisor, t)
}

// modelOpt is ModelOpt's NVFP4: weight U8 [.., in/2], weight_scale, and weight_scale_2 as it is.
func (c *classifier) modelOpt(b *bundle, t *Tensor) error {
	if c.scheme.method != methodModelOpt {
		return fmt.Errorf("it is %s with a weight_scale, as ModelOpt has it, but neither config.json nor hf_quant_config.json names ModelOpt", b.weight)
	}
	if err := setFP4(t, quant.FormatNVFP4, b.weight, b.scale); err != nil {
		return fmt.Errorf("for NVFP4 %w", err)
	}
	if !b.factor.Exists() {
		return errors.New("weight_scale_2 is missing")
	}
	t.Global, t.Pieces[0].Global = GlobalFactor, b.factor
	return checkGlobal(b.factor, t)
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
