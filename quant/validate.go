package quant

import (
	"fmt"
	"math"
)

// Validate holds the sizes of the parts against shape and format, so that Decode cannot read past
// an end. It does not look at values.
func (t Tensor) Validate() error {
	if err := t.Format.Validate(); err != nil {
		return err
	}
	if err := checkDimensions(t.Shape); err != nil {
		return err
	}
	if err := t.checkStride(); err != nil {
		return err
	}
	data, scales, biases, err := t.partSizes()
	if err != nil {
		return err
	}
	zeros, order := t.zeroSizes()
	for _, p := range []struct {
		name      string
		got, want int
	}{
		{"data", len(t.Data), data}, {"scales", len(t.Scales), scales}, {"biases", len(t.Biases), biases},
		{"zero points", len(t.Zeros), zeros}, {"g_idx", len(t.Order), order}, {"input scales", 4 * len(t.Inputs), t.inputsSize()},
	} {
		if p.got != p.want {
			return fmt.Errorf("%s of shape %v needs %d bytes of %s, not %d", t.Format, t.Shape, p.want, p.name, p.got)
		}
	}
	return t.checkGlobal()
}

// checkDimensions refuses shapes whose elements no memory holds. Sizes are worked out from them further
// on, where one that overflows would pass for a small tensor.
func checkDimensions(shape []int) error {
	n := 1
	for _, d := range shape {
		if d < 0 || d > 0 && n > math.MaxInt/16/d {
			return fmt.Errorf("the shape %v is impossible", shape)
		}
		n *= max(d, 1)
	}
	return nil
}

// partSizes says how many bytes each part must have. It knows fp8 as well, which Format.PartSizes does
// not: its scales go by blocks of the shape, which elements alone do not tell.
func (t Tensor) partSizes() (data, scales, biases int, err error) {
	n := Elements(t.Shape)
	switch t.Format.Mode {
	case Keep:
		return 0, 0, 0, fmt.Errorf("a tensor needs a format")
	case Plain:
		if t.Turned() {
			n = t.turnedElements()
		}
		data, scales, biases = t.Format.PartSizes(n, NoDtype)
		return data, scales, biases, nil
	case FP8:
		if len(t.Shape) < 2 {
			return 0, 0, 0, fmt.Errorf("%s needs a matrix, the shape is %v", t.Format, t.Shape)
		}
	case Int:
		if err := t.Format.checkInts(t.Shape); err != nil {
			return 0, 0, 0, err
		}
	case GPTQ, GPTQ2, GPTQP, AWQ:
		if err := t.Format.CheckColumns(t.Shape); err != nil {
			return 0, 0, 0, err
		}
	default:
		if err := t.Format.CheckShape(t.Shape); err != nil {
			return 0, 0, 0, err
		}
	}
	if t.hasFloatScales() && !t.ScaleDtype.IsFloat() {
		return 0, 0, 0, fmt.Errorf("%s: scales cannot be %q, only bf16, f16 or f32", t.Format, t.ScaleDtype)
	}
	switch t.Format.Mode {
	case Int:
		data, scales = t.intSizes()
		return data, scales, 0, nil
	case FP8:
		b := t.blocks()
		return n, n / max(b.rows*b.cols, 1) * b.down * b.across * t.ScaleDtype.Size(), 0, nil
	}
	if t.Format.IsColumns() {
		c := t.columns()
		matrices := n / max(c.rows*c.cols, 1)
		return matrices * 4 * c.words, matrices * c.groups * c.rows * t.ScaleDtype.Size(), 0, nil
	}
	data, scales, biases = t.Format.PartSizes(n, t.ScaleDtype)
	return data, scales, biases, nil
}

// checkStride refuses inputs apart in what is neither a plain matrix nor a whole one of FP8, or nearer than a
// matrix has rows.
func (t Tensor) checkStride() error {
	if t.Stride == 0 {
		return nil
	}
	plain, fp8 := t.Format.Mode == Plain, t.Format.Mode == FP8
	if !plain && !fp8 || len(t.Shape) < 2 || t.Stride < t.Shape[len(t.Shape)-2] || fp8 && t.Stride > t.Shape[len(t.Shape)-2] {
		return fmt.Errorf("%s of shape %v cannot lie input by input, %d elements apart", t.Format, t.Shape, t.Stride)
	}
	return checkDimensions([]int{t.Matrices(), Columns(t.Shape), t.Stride})
}

// inputsSize is how many bytes Inputs may have: none, or a float32 a column.
func (t Tensor) inputsSize() int {
	if len(t.Inputs) == 0 {
		return 0
	}
	return 4 * Columns(t.Shape)
}

// zeroSizes is how many bytes of zero points there must be, and of the inputs' order, if there is one.
func (t Tensor) zeroSizes() (zeros, order int) {
	if !t.Format.IsColumns() {
		if len(t.Order) > 0 && t.Format.Mode == Int && t.Format.GroupSize > 0 {
			order = 4 * Columns(t.Shape)
		}
		return t.zerosSize(), order
	}
	c := t.columns()
	matrices := Elements(t.Shape) / max(c.rows*c.cols, 1)
	if len(t.Order) > 0 {
		order = 4 * matrices * c.cols
	}
	return 4 * matrices * c.groups * c.zeroWords, order
}

// CheckColumns says why a tensor of GPTQ or AWQ cannot have that shape: its rows and columns must fill words.
func (f Format) CheckColumns(shape []int) error {
	if len(shape) < 2 || shape[len(shape)-2]*f.Bits%32 != 0 || Columns(shape)*f.Bits%32 != 0 {
		return fmt.Errorf("%s needs a matrix of whole 32-bit words both ways, the shape is %v", f, shape)
	}
	if f.Mode == GPTQP && (shape[len(shape)-2]%32 != 0 || Columns(shape)%32 != 0) {
		return fmt.Errorf("%s needs a matrix of whole runs of 32 both ways, the shape is %v", f, shape)
	}
	return nil
}

func (t Tensor) hasFloatScales() bool {
	return t.Format.Mode == Affine || t.Format.Mode == FP8 || t.Format.Mode == Int || t.Format.IsColumns()
}

// checkGlobal refuses a global scale where there is none, and a wrong number of them.
func (t Tensor) checkGlobal() error {
	n := len(t.Global)
	if n == 0 || t.Format.Mode == NVFP4 && (n == 1 || n == t.Shape[0]) {
		return nil
	}
	return fmt.Errorf("%s of shape %v cannot have %d global scales", t.Format, t.Shape, n)
}

// blocks is how the scales of an FP8 tensor cover one of its matrices.
type blocks struct {
	rows, cols   int // of a matrix
	height, wide int // of a block
	down, across int // blocks of a matrix, the last ones cut at its edge
}

func (t Tensor) blocks() blocks {
	b := blocks{height: t.Format.BlockRows, wide: t.Format.BlockCols}
	b.rows, b.cols = t.Shape[len(t.Shape)-2], Columns(t.Shape)
	if b.height == 0 {
		b.height = max(b.rows, 1)
	}
	if b.wide == 0 {
		b.wide = max(b.cols, 1)
	}
	b.down, b.across = ceilDiv(b.rows, b.height), ceilDiv(b.cols, b.wide)
	return b
}

// scales is the first scale of the blocks that row, counted over all matrices, runs through.
func (b blocks) scales(row int) int { return (row/b.rows*b.down + row%b.rows/b.height) * b.across }

func ceilDiv(a, b int) int { return (a + b - 1) / b }
