package quant

import "fmt"

// Tensor is one logical tensor as its bytes lie in memory, row-major and little-endian. The bytes
// are borrowed: whoever made the Tensor says how long they stay.
//
// The parts by mode, for a shape [.., rows, in]:
//
//	Plain   Data
//	NVFP4   Data 4-bit e2m1 [.., in/2 bytes], Scales e4m3 [.., in/16]; Global, or none
//	MXFP4   Data 4-bit e2m1 [.., in/2 bytes], Scales e8m0 [.., in/32]
//	MXFP8   Data e4m3 [.., in bytes], Scales e8m0 [.., in/32]
//	Affine  Data [.., in*bits/8 bytes], Scales and Biases of ScaleDtype [.., in/group]
//	FP8     Data e4m3 [.., in bytes], Scales of ScaleDtype [.., ceil(rows/block), ceil(in/block)]
//	Int     Data as its Packing has it, Scales of ScaleDtype [rows, ceil(in/group)], or one; perhaps Zeros
//	GPTQ    Data words [.., in*bits/32, rows], Scales of ScaleDtype [.., ceil(in/group), rows], Zeros
//	        words [.., ceil(in/group), rows*bits/32]
//	GPTQP   as GPTQ, the bits of 32 codes in planes
//	AWQ     Data words [.., in, rows*bits/32], Scales and Zeros as GPTQ
type Tensor struct {
	Shape      []int // before packing; [] is a scalar
	Format     Format
	ScaleDtype Dtype // Affine, FP8, Int, GPTQ and AWQ: of Scales and Biases
	Data       []byte
	Scales     []byte
	Biases     []byte
	Zeros      []byte // Int, GPTQ and AWQ: the codes of zero, one a scale; of Int packed as its Packing has it
	// Order is g_idx where it is not the order of the inputs: the group of each input, int32 [.., in], of
	// GPTQ, and of Int in groups. Whoever made the Tensor has held it to the number of groups.
	Order []byte
	// Global multiplies every decoded NVFP4 value (ModelOpt's weight_scale_2 convention): empty
	// for none, one value for the tensor, or Shape[0] values, one an expert.
	Global []float32
	// Inputs multiplies every decoded value of a column, as the layer's input would have been (ModelOpt's
	// pre_quant_scale): empty for none, else one value a column. Only Decode can make it part of the weight.
	Inputs []float32
	// Stride, of Plain and FP8, says that the matrices lie input by input, [.., in, rows], with so many elements
	// from one input to the next: the rows of a matrix, or more, of Plain, where these are some of its rows. The
	// scales of FP8 then lie so too, [.., ceil(in/block), ceil(rows/block)]. 0 is row by row.
	Stride int
}

// Elements is the product of a shape's dimensions; 1 for a scalar.
func Elements(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// Columns is the last dimension of a shape, along which groups run; 1 for a scalar.
func Columns(shape []int) int {
	if len(shape) == 0 {
		return 1
	}
	return shape[len(shape)-1]
}

// Part is one array of an encoded tensor: its dtype as written to a file, and its shape.
type Part struct {
	Dtype Dtype
	Shape []int
}

// Bytes is the size of the part; 0 for a part that a format has not.
func (p Part) Bytes() int64 {
	if p.Dtype == NoDtype {
		return 0
	}
	return int64(Elements(p.Shape)) * int64(p.Dtype.Size())
}

// Layout is what an encoded tensor consists of, as MLX and the store name and type it.
type Layout struct {
	Weight, Scales, Biases Part
}

// Bytes is the size of all parts together.
func (l Layout) Bytes() int64 { return l.Weight.Bytes() + l.Scales.Bytes() + l.Biases.Bytes() }

// Layout says which arrays a tensor of this shape has in format f. Affine scales and biases are of
// scaleDtype, which is the dtype of the unquantized weights (MLX's rule). A shape that the format
// cannot hold (rank under 2, columns not divisible by the group) is an error.
func (f Format) Layout(shape []int, scaleDtype Dtype) (Layout, error) {
	if f.Mode == Plain {
		return Layout{Weight: Part{f.Dtype, shape}}, nil
	}
	if err := f.CheckShape(shape); err != nil {
		return Layout{}, err
	}
	cols := Columns(shape)
	l := Layout{
		Weight: Part{U32, withColumns(shape, cols*f.Bits/32)},
		Scales: Part{U8, withColumns(shape, cols/f.GroupSize)},
	}
	if f.Mode == Affine {
		l.Scales.Dtype = scaleDtype
		l.Biases = l.Scales
	}
	return l, nil
}

// CheckShape says why a tensor of this shape cannot be stored in format f, or nil.
func (f Format) CheckShape(shape []int) error {
	if !f.IsQuantized() {
		return nil
	}
	if f.Mode == FP8 || f.Mode == Int || f.IsColumns() {
		return fmt.Errorf("%s is read, not written", f)
	}
	if len(shape) < 2 {
		return fmt.Errorf("%s needs a matrix, the shape is %v", f, shape)
	}
	if cols := Columns(shape); cols == 0 || cols%f.GroupSize != 0 {
		return fmt.Errorf("%s needs columns divisible by its group of %d, the shape is %v", f, f.GroupSize, shape)
	}
	return nil
}

func withColumns(shape []int, cols int) []int {
	s := append([]int(nil), shape...)
	s[len(s)-1] = cols
	return s
}
