package source

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"qimport/quant"
)

// mlx is a tensor of MLX's modes: weight U32 [.., in*bits/32] with scales and, if affine, biases.
func (c *classifier) mlx(b *bundle, t *Tensor) error {
	if err := c.checkMLXArrays(b); err != nil {
		return err
	}
	f, from, err := c.mlxFormatOf(b, t)
	if err != nil {
		return err
	}
	if err := c.setPacked(b, t, f, from); err != nil {
		return err
	}
	return c.mlxGlobal(b, t)
}

// setPacked fills in a tensor of MLX's format f, if its arrays are that; from says who named f.
func (c *classifier) setPacked(b *bundle, t *Tensor, f quant.Format, from string) error {
	shape, ok := c.fitting(b, t, f)
	if !ok {
		return c.lies(b, t, f, from)
	}
	t.Shape, t.Format = shape, f
	if f.Mode == quant.Affine {
		t.ScaleDtype = b.scales.Dtype
	}
	t.Pieces = []Piece{{Weight: b.weight, Scales: b.scales, Biases: b.biases}}
	return nil
}

// fitting is the shape before packing if the arrays are of format f and the config allows that shape.
func (c *classifier) fitting(b *bundle, t *Tensor, f quant.Format) ([]int, bool) {
	shape := unpacked(b.weight.Shape, 32, f.Bits)
	known := c.shapes(t.Body)
	right := len(known) == 0 || slices.ContainsFunc(known, func(s []int) bool { return slices.Equal(s, shape) })
	return shape, right && fits(f, shape, b.weight, b.scales, b.biases)
}

// checkMLXArrays refuses what no mode of MLX has, whatever the config says.
func (c *classifier) checkMLXArrays(b *bundle) error {
	switch {
	case !b.scales.Exists():
		return errors.New("it has biases, but its scales are missing")
	case b.weight.Dtype != quant.U32:
		return fmt.Errorf("it is %s, which takes no %s", b.weight, b.scales.Name)
	case b.scales.Dtype != quant.U8 && !b.scales.Dtype.IsFloat():
		return fmt.Errorf("its scales are %s, which no mode of MLX has", b.scales)
	case b.scales.Dtype.IsFloat() && !b.biases.Exists():
		return errors.New("it has affine scales, but its biases are missing")
	case b.scales.Dtype == quant.U8 && b.biases.Exists():
		return fmt.Errorf("it has biases, but no mode with scales of %s has any", b.scales)
	case b.biases.Exists() && !b.biases.is(b.scales.Dtype, b.scales.Shape):
		return fmt.Errorf("its biases are %s, its scales %s: they must be alike", b.biases, b.scales)
	}
	return nil
}

// mlxFormatOf says which format the config names for the tensor, or its arrays where no config says
// anything, and who says so.
func (c *classifier) mlxFormatOf(b *bundle, t *Tensor) (quant.Format, string, error) {
	if c.scheme.method != methodMLX {
		f, ok := c.infer(b, t)
		if !ok {
			return f, "", fmt.Errorf("it has scales %s for a weight %s, the config has no quantization block, and the arrays do not tell their format", b.scales, b.weight)
		}
		c.inferred++
		return f, "its arrays", nil
	}
	entry, name, _, err := c.scheme.mlx.lookup(strings.TrimSuffix(b.main, ".weight"))
	if err != nil {
		return quant.Format{}, "", err
	}
	if !entry.quantized {
		return quant.Format{}, "", fmt.Errorf("the config's quantization entry %q says false, but it has scales", name)
	}
	return entry.format, fmt.Sprintf("the config's quantization (%s)", name), nil
}

// lies is the error of a format that the arrays contradict.
func (c *classifier) lies(b *bundle, t *Tensor, f quant.Format, from string) error {
	hint := ""
	if real, ok := c.infer(b, t); ok && real != f {
		hint = fmt.Sprintf(", which would fit %s", real)
	}
	return fmt.Errorf("%s says %s, but its weight is %s with scales %s%s", from, f, b.weight, b.scales, hint)
}

// infer finds the one format of MLX that the arrays fit: by the tensor's shape where package arch
// knows it, else only the modes that their scales tell.
func (c *classifier) infer(b *bundle, t *Tensor) (quant.Format, bool) {
	var found []quant.Format
	for _, f := range mlxFormats() {
		if _, ok := c.fitting(b, t, f); ok {
			found = append(found, f)
		}
	}
	if len(found) != 1 {
		return quant.Format{}, false
	}
	return found[0], true
}

// mlxFormats lists every format of MLX.
func mlxFormats() []quant.Format {
	formats := []quant.Format{quant.FormatNVFP4, quant.FormatMXFP4, quant.FormatMXFP8}
	for _, bits := range []int{2, 3, 4, 5, 6, 8} {
		for _, group := range []int{32, 64, 128} {
			formats = append(formats, quant.AffineFormat(bits, group))
		}
	}
	return formats
}

// mlxGlobal adds mlx-lm's global scales of expert layers: one f32 an expert.
func (c *classifier) mlxGlobal(b *bundle, t *Tensor) error {
	if !b.global.Exists() {
		return nil
	}
	if err := checkGlobal(b.global, t); err != nil {
		return err
	}
	t.Global, t.Pieces[0].Global = GlobalAmax, b.global
	return nil
}

// checkGlobal holds a global scale to what NVFP4 has: one number, or one for each expert of a stack.
func checkGlobal(g Part, t *Tensor) error {
	n := quant.Elements(g.Shape)
	perExpert := len(t.Shape) == 3 && n == t.Shape[0]
	if t.Format.Mode != quant.NVFP4 || g.Dtype != quant.F32 || n != 1 && !perExpert {
		return fmt.Errorf("%s is %s, which is no global scale of a tensor %v in %s", g.Name, g, t.Shape, t.Format)
	}
	return nil
}
