package source

import (
	"fmt"
	"slices"
	"strings"

	"qimport/arch"
	"qimport/quant"
)

// classifier turns bundles of arrays into logical tensors.
type classifier struct {
	config   arch.Config
	scheme   scheme
	expected map[string][][]int // of config, by body name: the shapes before packing
	shards   []Shard
	inferred int // tensors whose MLX format no config names
}

// classify says what one bundle is. The error is one sentence that names file and tensor.
func (c *classifier) classify(b *bundle) (Tensor, error) {
	t := Tensor{Name: b.main, Body: arch.Body(b.main)}
	t.Role, t.MTP = arch.RoleOf(t.Body), arch.IsMTP(t.Body)
	err := c.encoding(b, &t)
	if err == nil {
		err = setInputs(b, &t)
	}
	if err == nil {
		err = c.turn(&t)
	}
	if err == nil && !t.OutOfOrder() {
		err = refuse(b.order)
	}
	if err == nil && t.Format.IsQuantized() && (t.Role == arch.State || t.Role == arch.Norm) {
		err = fmt.Errorf("it is quantized (%s), which no producer should do to a %s: take another conversion", t.Format, t.Role.Fixed())
	}
	if err == nil && t.Format.IsQuantized() && t.Role == arch.Vision && !arch.PackedTower(t.Body) {
		err = fmt.Errorf("it is quantized (%s), and no runtime takes patches, positions or norms of a vision tower so: take another conversion", t.Format)
	}
	if err != nil {
		return Tensor{}, fmt.Errorf("%s: tensor %s: %w%s", c.shards[b.any().Shard].Name, b.main, err, c.config.Doubt(t.Body))
	}
	return t, nil
}

// encoding fills in t's shape, format and pieces. The arrays decide who made them; the config says
// how to read them, and is held to their shapes.
func (c *classifier) encoding(b *bundle, t *Tensor) error {
	switch {
	case b.weight.Exists() && b.packed.Exists():
		return fmt.Errorf("it is there twice, as weight and as weight_packed")
	case b.weight.Exists() && b.qweight.Exists():
		return fmt.Errorf("it is there twice, as weight and as qweight")
	case b.qweight.Exists():
		return c.columns(b, t)
	case !b.weight.Exists() && !b.packed.Exists():
		return fmt.Errorf("it is missing, but it has scales")
	case b.packed.Exists():
		return c.compressed(b, t)
	case b.scales.Exists() || b.biases.Exists():
		return c.mlx(b, t)
	case b.scale.Exists() && c.scheme.method == methodModelOpt:
		return c.modelOpt(b, t)
	case b.weight.Dtype == quant.F8E4M3:
		return c.fp8(b, t)
	case b.weight.Dtype == quant.I8 && b.scale.Exists():
		return c.compressedBytes(b, t)
	case b.weight.Dtype == quant.U8 && b.scale.Exists():
		return fmt.Errorf("it is %s with a weight_scale, as ModelOpt has it, but neither config.json nor hf_quant_config.json names ModelOpt", b.weight)
	}
	return c.plain(b, t)
}

// setInputs adds the scales of a layer's input, which are made part of its weight.
func setInputs(b *bundle, t *Tensor) error {
	if !b.inputs.Exists() {
		return nil
	}
	if len(t.Shape) != 2 || !b.inputs.Dtype.IsFloat() || quant.Elements(b.inputs.Shape) != t.Shape[1] {
		return fmt.Errorf("%s is %s, which are no scales of the columns of a tensor %v", b.inputs.Name, b.inputs, t.Shape)
	}
	t.Pieces[0].Inputs = b.inputs
	return nil
}

// plain is an unquantized tensor. A packed dtype without scales is none.
func (c *classifier) plain(b *bundle, t *Tensor) error {
	for _, extra := range []Part{b.global, b.scale, b.inverse, b.factor, b.divisor, b.zeros, b.dims, b.inputs, b.order} {
		if extra.Exists() {
			return fmt.Errorf("it is %s, which takes no %s", b.weight, extra.Name)
		}
	}
	switch b.weight.Dtype {
	case quant.F8E5M2, quant.F8E8M0:
		return fmt.Errorf("it is %s, an unsupported encoding", b.weight)
	}
	if isWeight := t.Role != arch.Other && t.Role != arch.Vision; (isWeight || strings.HasSuffix(t.Name, ".weight")) && !b.weight.Dtype.IsFloat() {
		return fmt.Errorf("it is %s, packed or quantized, but its scales are missing", b.weight)
	}
	if c.scheme.method == methodMLX {
		path := strings.TrimSuffix(b.main, ".weight")
		entry, name, own, err := c.scheme.mlx.lookup(path)
		if err != nil {
			return err
		}
		if own && entry.quantized {
			return fmt.Errorf("the config's quantization entry %q says %s, but it is %s and its scales are missing", name, entry.format, b.weight)
		}
	}
	t.Shape, t.Format = b.weight.Shape, quant.PlainFormat(b.weight.Dtype)
	t.Pieces = []Piece{{Weight: b.weight}}
	return nil
}

// shapes are the shapes before packing that the config allows the tensor; none if it says nothing.
func (c *classifier) shapes(body string) [][]int {
	if stack, _, ok := arch.Single(body); ok {
		var shapes [][]int
		for _, s := range c.expected[stack] {
			shapes = append(shapes, s[1:])
		}
		return shapes
	}
	return c.expected[body]
}

// fits says whether the weight, the scales and (affine) the biases are what format f makes of a
// tensor of that shape.
func fits(f quant.Format, shape []int, weight, scales, biases Part) bool {
	l, err := f.Layout(shape, scales.Dtype)
	if err != nil {
		return false
	}
	return weight.is(l.Weight.Dtype, l.Weight.Shape) && scales.is(l.Scales.Dtype, l.Scales.Shape) && biases.is(l.Biases.Dtype, l.Biases.Shape)
}

// unpacked is the shape of a tensor whose packed weight has that shape, at bits an element in words
// of wordBits; nil if no whole number of elements fills a row.
func unpacked(packed []int, wordBits, bits int) []int {
	if len(packed) < 2 {
		return nil
	}
	row := packed[len(packed)-1] * wordBits
	if row%bits != 0 {
		return nil
	}
	shape := slices.Clone(packed)
	shape[len(shape)-1] = row / bits
	return shape
}
