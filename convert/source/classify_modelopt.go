package source

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"qimport/quant"
)

// modelOpt is a tensor of ModelOpt, whose arrays tell what it is: weight, weight_scale and, of NVFP4,
// weight_scale_2, which is the global scale as it is.
func (c *classifier) modelOpt(b *bundle, t *Tensor) error {
	for _, extra := range []Part{b.divisor, b.inverse, b.zeros, b.dims} {
		if err := refuse(extra); err != nil {
			return err
		}
	}
	if err := c.modelOptArrays(b, t); err != nil {
		return err
	}
	if t.Format.Mode != quant.NVFP4 {
		if err := refuse(b.factor); err != nil {
			return err
		}
	}
	return c.scheme.modelOpt.check(strings.TrimSuffix(b.main, ".weight"), t.Format)
}

func (c *classifier) modelOptArrays(b *bundle, t *Tensor) error {
	weight, scale := b.weight, b.scale
	isE8M0 := scale.Dtype == quant.U8 || scale.Dtype == quant.F8E8M0
	switch {
	case weight.Dtype == quant.U8 && scale.Dtype == quant.F8E4M3:
		return modelOptNVFP4(b, t)
	case weight.Dtype == quant.U8 && isE8M0:
		return setFP4(t, quant.FormatMXFP4, weight, scale)
	case weight.Dtype == quant.F8E4M3 && isE8M0:
		return setMXFP8(t, weight, scale)
	case weight.Dtype == quant.F8E4M3:
		return modelOptFP8(b, t)
	case weight.Dtype == quant.U8 || weight.Dtype == quant.I8:
		return modelOptInts(b, t)
	}
	return fmt.Errorf("it is %s with scales %s, which ModelOpt has not", weight, scale)
}

// modelOptNVFP4 is nvfp4 in groups of 16 or, as W4A8_NVFP4_FP8 has it, of 32: two groups of one scale.
func modelOptNVFP4(b *bundle, t *Tensor) error {
	scale := b.scale
	if shape := unpacked(b.weight.Shape, 8, 4); isWide(shape, scale.Shape) {
		t.Shared = wideNVFP4 / quant.FormatNVFP4.GroupSize
		scale.Shape = slices.Clone(scale.Shape)
		scale.Shape[len(scale.Shape)-1] *= t.Shared
	}
	if setFP4(t, quant.FormatNVFP4, b.weight, scale) != nil {
		return fmt.Errorf("for NVFP4 its weight is %s with scales %s", b.weight, b.scale)
	}
	t.Pieces[0].Scales = b.scale
	if !b.factor.Exists() {
		return errors.New("weight_scale_2 is missing")
	}
	t.Global, t.Pieces[0].Global = GlobalFactor, b.factor
	return checkGlobal(b.factor, t)
}

// wideNVFP4 is the one other group size that ModelOpt has for nvfp4.
const wideNVFP4 = 32

// isWide says whether scales are those of groups of 32.
func isWide(shape, scales []int) bool {
	n := len(shape)
	return n > 0 && len(scales) == n && shape[n-1] == wideNVFP4*scales[n-1]
}

// modelOptFP8 is e4m3 with one scale, one a row, or one a block: [rows, 1, columns, 1] blocks of 128.
func modelOptFP8(b *bundle, t *Tensor) error {
	const block = 128
	f, scale := quant.Format{Mode: quant.FP8, Bits: 8}, b.scale
	switch {
	case len(scale.Shape) == 4:
		f.BlockRows, f.BlockCols = block, block
		scale.Shape = []int{scale.Shape[0], scale.Shape[2]}
		if !slices.Equal(b.scale.Shape, []int{scale.Shape[0], 1, scale.Shape[1], 1}) {
			return fmt.Errorf("its scales are %s, which are none of blocks", b.scale)
		}
	case quant.Elements(scale.Shape) != 1:
		f.BlockRows = 1
	}
	return setFP8(t, f, b.weight, scale)
}

// modelOptInts is integers: int8 with a scale a row, or two rows of 4 bits in a byte with a scale a group.
func modelOptInts(b *bundle, t *Tensor) error {
	if len(b.weight.Shape) != 2 || len(b.scale.Shape) == 0 {
		return unreadable("unsupported integers in a stack: it is %s with scales %s; supported: a matrix each", b.weight, b.scale)
	}
	if b.weight.Dtype == quant.I8 {
		return setInts(t, quant.IntFormat(8, 0, quant.Bytes, false), b.weight.Shape, b.weight, b.scale, Part{})
	}
	shape := []int{2 * b.weight.Shape[0], b.weight.Shape[1]}
	groups := b.scale.Shape[len(b.scale.Shape)-1]
	if groups == 0 || shape[1]%groups != 0 {
		return fmt.Errorf("its %d columns are no whole groups for scales %s", shape[1], b.scale)
	}
	return setInts(t, quant.IntFormat(4, shape[1]/groups, quant.RowPairs, false), shape, b.weight, b.scale, Part{})
}
