package source

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"qimport/quant"
)

// compressedPacked is compressed-tensors' pack-quantized: weight_packed I32, weight_scale, weight_shape and
// perhaps weight_zero_point and, as older releases (0.9 and 0.13 do, 0.19 does not) left it of GPTQ's activation order, weight_g_idx.
func (c *classifier) compressedPacked(b *bundle, t *Tensor, g compressedGroup) error {
	if len(b.packed.Shape) != 2 {
		return unreadable("unsupported integers in a stack: group %s of the config says %s, and its weight is %s; supported: a matrix each", g.name, g.format, b.packed)
	}
	shape, format := c.packedShape(b, t, g.format)
	g.format = format
	return c.setInts(b, t, g, b.packed, shape)
}

// compressedBytes is compressed-tensors' integers as int8.
func (c *classifier) compressedBytes(b *bundle, t *Tensor) error {
	if c.scheme.method != methodCompressed {
		return fmt.Errorf("it is %s with a weight_scale, but the config names no quantization that has such weights", b.weight)
	}
	g, err := c.scheme.compressed.group(t, strings.TrimSuffix(b.main, ".weight"))
	if err != nil {
		return err
	}
	if g.format.Mode != quant.Int || g.format.Packing != quant.Bytes {
		return fmt.Errorf("group %s of the config says %s, but it is %s", g.name, g.format, b.weight)
	}
	return c.setInts(b, t, g, b.weight, b.weight.Shape)
}

// packedShape is the shape before packing, and how codes lie: the config's shape, if codes of such a tensor fill
// these words, run on or each in one word, as older releases have it, which takes more of them; else that of
// words without padding.
func (c *classifier) packedShape(b *bundle, t *Tensor, f quant.Format) ([]int, quant.Format) {
	formats := []quant.Format{f}
	if whole, ok := f.InWholeWords(); ok {
		formats = append(formats, whole)
	}
	for _, f := range formats {
		for _, shape := range c.shapes(t.Body) {
			if weight, _, _, err := f.IntLayout(shape, quant.BF16); err == nil && slices.Equal(weight.Shape, b.packed.Shape) {
				return shape, f
			}
		}
	}
	return unpacked(b.packed.Shape, 32, f.Bits), f
}

// setInts fills in a tensor of integers, if its arrays are those of the group's format.
func (c *classifier) setInts(b *bundle, t *Tensor, g compressedGroup, weight Part, shape []int) error {
	for _, extra := range []Part{b.factor, b.divisor, b.inverse} {
		if err := refuse(extra); err != nil {
			return err
		}
	}
	if !b.scale.Exists() {
		return errors.New("weight_scale is missing")
	}
	if b.dims.Exists() && !b.dims.is(quant.I64, []int{2}) {
		return fmt.Errorf("its weight_shape is %s, which is no shape of a matrix", b.dims)
	}
	if g.format.Zeros != b.zeros.Exists() {
		return fmt.Errorf("group %s of the config says %s, but its weight_zero_point is %s", g.name, g.format, b.zeros)
	}
	if err := setInts(t, g.format, shape, weight, b.scale, b.zeros); err != nil {
		return fmt.Errorf("group %s of the config says %s, but %w", g.name, g.format, err)
	}
	if b.order.Exists() && (g.format.GroupSize == 0 || !b.order.is(quant.I32, shape[1:])) {
		return fmt.Errorf("%s is %s, which is no order of the %d inputs of %s", b.order.Name, b.order, shape[1], g.format)
	}
	t.Pieces[0].Dims, t.Pieces[0].Order = b.dims, b.order
	return nil
}

// setInts fills in a tensor of integers of format f.
func setInts(t *Tensor, f quant.Format, shape []int, weight, scale, zeros Part) error {
	w, s, z, err := f.IntLayout(shape, scale.Dtype)
	fits := err == nil && scale.Dtype.IsFloat() && weight.is(w.Dtype, w.Shape) && zeros.is(z.Dtype, z.Shape) &&
		(slices.Equal(scale.Shape, s.Shape) || s.Shape[1] == 1 && slices.Equal(squeezed(scale.Shape), squeezed(s.Shape)))
	if !fits {
		arrays := fmt.Sprintf("its weight is %s with scales %s", weight, scale)
		if zeros.Exists() {
			arrays += fmt.Sprintf(" and %s %s", zeros.Name, zeros)
		}
		return errors.New(arrays)
	}
	t.Shape, t.Format, t.ScaleDtype = shape, f, scale.Dtype
	t.Pieces = []Piece{{Weight: weight, Scales: scale, Zeros: zeros}}
	return nil
}

// squeezed is a shape without its dimensions of 1.
func squeezed(shape []int) []int {
	return slices.DeleteFunc(slices.Clone(shape), func(d int) bool { return d == 1 })
}
