package layer

import (
	"slices"

	"qimport/quant"
	"qimport/runtime/mlx"
)

// Mode is how weights are kept in memory and multiplied.
type Mode uint8

// The modes, from the most exact and largest to the smallest.
const (
	F32       Mode = iota // every weight decoded to float32, float32 activations
	BF16                  // every weight decoded to bf16, bf16 activations
	Quantized             // every weight as it is stored: on a CPU where it lies, on a GPU packed ones packed
)

func (m Mode) String() string {
	return [...]string{F32: "f32", BF16: "bf16", Quantized: "quantized"}[m]
}

// Compute is how a model computes; the same for all its parts.
type Compute struct {
	Mode  Mode
	GPU   bool
	State quant.Dtype // of the delta state: float32, or bf16 for the ablation
	Decay quant.Dtype // of the decay: likewise
	// Decoded are formats that are not multiplied packed, though they could be: with them MLX is wrong.
	Decoded []quant.Format
	// WrongRows is the number of rows of input with which products with packed rows come out wrong, to show
	// that it is noticed; 0 for none.
	WrongRows int
}

// Activation is the dtype of activations, KV cache and conv state.
func (c Compute) Activation() quant.Dtype {
	if c.Mode == F32 || (c.Mode == Quantized && !c.GPU) {
		return quant.F32
	}
	return quant.BF16
}

// exact is the same with float32 weights and activations, for what a GPU must not round.
func (c Compute) exact() Compute {
	if c.GPU {
		c.Mode = F32
	}
	return c
}

// maps says whether weights are multiplied where they lie, by products of our own.
func (c Compute) maps() bool { return c.Mode == Quantized && !c.GPU }

// dense is the dtype in which a weight that is kept as an array is kept unpacked.
func (c Compute) dense() quant.Dtype {
	if c.Mode == F32 {
		return quant.F32
	}
	return quant.BF16
}

// packs says whether a weight of that format is kept as an array of packed rows.
func (c Compute) packs(f quant.Format) bool {
	switch f.Mode {
	case quant.NVFP4, quant.MXFP4, quant.MXFP8, quant.Affine:
		return c.Mode == Quantized && !slices.Contains(c.Decoded, f)
	}
	return false
}

// spoil makes a product y [.., out] wrong where that was asked for.
func (c Compute) spoil(s *mlx.Scope, y *mlx.Array) *mlx.Array {
	shape := y.Shape()
	if c.WrongRows == 0 || quant.Elements(shape[:len(shape)-1]) != c.WrongRows {
		return y
	}
	return s.Mul(y, s.ScalarLike(1.5, y))
}
