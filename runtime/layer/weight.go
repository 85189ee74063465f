package layer

import (
	"slices"

	"qimport/quant"
	"qimport/runtime/mlx"
)

// weight is one matrix [out, in] or stack [experts, out, in] as arrays of MLX, which multiplies:
// dense or, on a GPU, packed with scales and perhaps biases.
type weight struct {
	compute Compute
	format  quant.Format // of packed weights
	out     int
	matrix  Matrix // what it is made of
	dense   *Param
	packed  *Param // uint32 [.., in*bits/32]
	scales  *Param // [.., in/group]
	biases  *Param // affine only
	global  *Param // float32 [.., out]: the global scale of nvfp4, applied to the product; or nil
}

// newWeight decides how m is kept. A stack keeps its leading dimension even when it has one expert.
func newWeight(c Compute, m Matrix, stack bool) *weight {
	shape := []int{m.Out}
	if stack {
		shape = []int{len(m.Experts), m.Out}
	}
	w := &weight{compute: c, out: m.Out, matrix: m}
	format, scaleDtype := m.format()
	if !c.packs(format) {
		d := c.dense()
		w.dense = &Param{Name: m.Name, Shape: with(shape, m.In), Dtype: d,
			Fill: func(dst []byte) error { return m.fillPlain(dst, d) }}
		return w
	}
	w.format = format
	w.packed = &Param{Name: m.Name, Shape: with(shape, m.In*format.Bits/32), Dtype: quant.U32,
		Fill: func(dst []byte) error {
			return m.fillPart(dst, m.In*format.Bits/8, func(t quant.Tensor) []byte { return t.Data })
		}}
	w.scales = w.scaleParam(m, shape, scaleDtype, func(t quant.Tensor) []byte { return t.Scales })
	if format.Mode == quant.Affine {
		w.biases = w.scaleParam(m, shape, scaleDtype, func(t quant.Tensor) []byte { return t.Biases })
	}
	if g := m.globals(); g != nil {
		w.global = &Param{Name: m.Name + ".global_scale", Shape: shape, Dtype: quant.F32,
			Fill: func(dst []byte) error { copy(dst, floatBytes(g)); return nil }}
	}
	return w
}

// scaleParam is the scales or the biases, bytes as they are.
func (w *weight) scaleParam(m Matrix, shape []int, stored quant.Dtype, which func(quant.Tensor) []byte) *Param {
	groups := m.In / w.format.GroupSize
	p := &Param{Name: m.Name + ".scales", Shape: with(shape, groups), Dtype: quant.U8}
	size := 1
	if w.format.Mode == quant.Affine {
		size = stored.Size()
		p.Dtype = stored
	}
	p.Fill = func(dst []byte) error { return m.fillPart(dst, groups*size, which) }
	return p
}

func with(shape []int, last int) []int { return append(slices.Clone(shape), last) }

// params lists the arrays that the weight has.
func (w *weight) params() []*Param {
	var all []*Param
	for _, p := range []*Param{w.dense, w.packed, w.scales, w.biases, w.global} {
		if p != nil {
			all = append(all, p)
		}
	}
	return all
}

// expandRows is the number of input rows from which it is faster on a CPU to widen a bf16 weight to
// float32 first: MLX has no BLAS for it there.
const expandRows = 4

// multiply is x [.., in] times the weight's transpose, in the activations' dtype: [.., out].
func (w *weight) multiply(s *mlx.Scope, x *mlx.Array) *mlx.Array {
	act := w.compute.Activation()
	shape := x.Shape()
	rows := quant.Elements(shape[:len(shape)-1])
	var y *mlx.Array
	switch {
	case w.packed != nil:
		y = w.compute.spoil(s, w.packedProduct(s, x, rows))
	case act == quant.F32 || w.compute.GPU || rows < expandRows:
		y = s.MatMul(x, s.Transpose(w.dense.Array))
	default:
		y = s.MatMul(s.AsType(x, quant.F32), s.Transpose(w.wide(s)))
	}
	if w.global != nil {
		y = s.Mul(y, w.global.Array)
	}
	return s.AsType(y, act)
}

// wide is the whole weight in float32, without its global scale.
func (w *weight) wide(s *mlx.Scope) *mlx.Array {
	if w.dense != nil {
		return s.AsType(w.dense.Array, quant.F32)
	}
	return s.Dequantize(w.quantized(), quant.F32)
}

// quantized is the packed weight as MLX takes it.
func (w *weight) quantized() mlx.Quantized {
	q := mlx.Quantized{Weight: w.packed.Array, Scales: w.scales.Array, Format: w.format}
	if w.biases != nil {
		q.Biases = w.biases.Array
	}
	return q
}

// view is the weight with every array seen through see.
func (w *weight) view(see func(*mlx.Array) *mlx.Array) *weight {
	of := func(p *Param) *Param {
		if p == nil {
			return nil
		}
		return &Param{Name: p.Name, Dtype: p.Dtype, Array: see(p.Array)}
	}
	return &weight{compute: w.compute, format: w.format, out: w.out,
		dense: of(w.dense), packed: of(w.packed), scales: of(w.scales), biases: of(w.biases), global: of(w.global)}
}
