package layer

import (
	_ "embed"

	"qimport/quant"
	"qimport/runtime/mlx"
)

//go:embed experts.cu
var expertsCUDA string

// Of experts.cu: the columns a thread works on, and the largest number of experts.
const (
	expertsWide = 32
	expertsMost = 1024
)

// chooseKernel is the choice of experts.
var chooseKernel = &mlx.Kernel{
	Name:    "experts_choose",
	Inputs:  []string{"logits"},
	Outputs: []string{"ids", "weights"},
	Ints:    []string{"K", "E", "NORMALISE"},
	CUDA:    mlx.KernelSource{Header: behindWarp(expertsCUDA), Body: `  qimport::choose<K>(logits, E, NORMALISE, ids, weights);`},
}

// expertRows is how a stack's rows are kept: the inputs that they are to a kernel, and the source that reads them.
type expertRows struct {
	inputs []string
	source string
}

var (
	plainRowsInput  = expertRows{[]string{"w"}, "qimport::Plain<Weight>{w}"}
	packedRowsInput = expertRows{[]string{"w", "scales"}, "qimport::NVFP4{w, scales, nullptr}"}
	scaledRowsInput = expertRows{[]string{"w", "scales", "global"}, "qimport::NVFP4{w, scales, global}"}
)

// openedKernel is what experts hold inside; weighedKernel is their sum. Both for each way to keep rows.
var openedKernel, weighedKernel = map[*expertRows]*mlx.Kernel{}, map[*expertRows]*mlx.Kernel{}

func init() {
	for name, rows := range map[string]*expertRows{"plain": &plainRowsInput, "packed": &packedRowsInput, "scaled": &scaledRowsInput} {
		openedKernel[rows] = &mlx.Kernel{Name: "experts_opened_" + name, Inputs: append([]string{"x", "ids"}, rows.inputs...),
			Outputs: []string{"y"}, Ints: []string{"INNER", "K"}, Types: []string{"Weight"},
			CUDA: mlx.KernelSource{Header: behindWarp(expertsCUDA), Body: `  qimport::opened(x, ids, ` + rows.source + `, INNER, K, y);`}}
		weighedKernel[rows] = &mlx.Kernel{Name: "experts_weighed_" + name, Inputs: append([]string{"x", "ids", "weights", "sum"}, rows.inputs...),
			Outputs: []string{"y"}, Ints: []string{"CHOICES", "N", "K"}, Types: []string{"Weight"},
			CUDA: mlx.KernelSource{Header: behindWarp(expertsCUDA), Body: `  qimport::weighed(x, ids, weights, CHOICES, sum, ` + rows.source + `, N, K, y);`}}
	}
}

// tokenRows is the one stack of the experts as kernels of ours read it, with the arrays that they are given; nil
// where they do not.
func (e *experts) tokenRows() (rows *expertRows, inputs []*mlx.Array) {
	if len(e.weights) != 1 {
		return nil, nil
	}
	w := e.weights[0]
	switch {
	case w.dense != nil:
		return &plainRowsInput, []*mlx.Array{w.dense.Array}
	case w.format.Mode != quant.NVFP4 || w.compute.WrongRows != 0:
		return nil, nil
	case w.global == nil:
		return &packedRowsInput, []*mlx.Array{w.packed.Array, w.scales.Array}
	}
	return &scaledRowsInput, []*mlx.Array{w.packed.Array, w.scales.Array, w.global.Array}
}

// fuses says whether kernels of ours run the experts for x [1, 1, H], a sum of layers.
func (m *MoE) fuses(s *mlx.Scope, x *mlx.Array) bool {
	if !single(s, x) || x.Dtype() != quant.F32 || m.gateUp.mapped != nil || m.gateUp.count > expertsMost || m.topK > warp {
		return false
	}
	up, _ := m.gateUp.tokenRows()
	down, _ := m.down.tokenRows()
	return up != nil && down != nil && m.inner%expertsWide == 0 && x.Dim(2)%expertsWide == 0
}

// choose is the choice of experts by logits [1, 1, E] of the router: which, int32 [k], and their weights [k].
func (m *MoE) choose(s *mlx.Scope, logits *mlx.Array) (ids, weights *mlx.Array) {
	normalise := 0
	if m.normalise {
		normalise = 1
	}
	out := s.Run(chooseKernel, mlx.KernelRun{Inputs: []*mlx.Array{logits},
		Outputs: []mlx.KernelOutput{{Dtype: quant.I32, Shape: []int{m.topK}}, {Dtype: quant.F32, Shape: []int{m.topK}}},
		Ints:    []int{m.topK, m.gateUp.count, normalise},
		Threads: [3]int{warp, 1, 1}, Group: [3]int{warp, 1, 1}})
	return out[0], out[1]
}

// opened is what the chosen experts hold inside for x [1, 1, H]: [k, Im].
func (m *MoE) opened(s *mlx.Scope, x, ids *mlx.Array) *mlx.Array {
	rows, arrays := m.gateUp.tokenRows()
	return s.Run(openedKernel[rows], mlx.KernelRun{Inputs: append([]*mlx.Array{x, ids}, arrays...),
		Outputs: []mlx.KernelOutput{{Dtype: m.compute.Activation(), Shape: []int{m.topK, m.inner}}},
		Ints:    []int{m.inner, x.Dim(2)}, Types: []quant.Dtype{m.compute.dense()},
		Threads: [3]int{m.topK * m.inner * warp, 1, 1}, Group: [3]int{tokenWarps * warp, 1, 1}})[0]
}

// weighed is sum [1, 1, H] and the chosen experts' outputs by their weights, from what they hold inside.
func (m *MoE) weighed(s *mlx.Scope, sum, inner, ids, weights *mlx.Array) *mlx.Array {
	rows, arrays := m.down.tokenRows()
	n := sum.Dim(2)
	return s.Run(weighedKernel[rows], mlx.KernelRun{Inputs: append([]*mlx.Array{inner, ids, weights, sum}, arrays...),
		Outputs: []mlx.KernelOutput{{Dtype: quant.F32, Shape: []int{1, 1, n}}},
		Ints:    []int{m.topK, n, m.inner}, Types: []quant.Dtype{m.compute.dense()},
		Threads: [3]int{n * warp, 1, 1}, Group: [3]int{tokenWarps * warp, 1, 1}})[0]
}

// Added is x [B, T, H], a sum of layers, and the part's output for its norm.
func (m *MoE) Added(s *mlx.Scope, n *Norm, x *mlx.Array) *mlx.Array {
	in := n.Apply(s, x)
	if !m.fuses(s, x) {
		return s.Add(x, m.Forward(s, in))
	}
	ids, weights := m.choose(s, s.AsType(m.router.Apply(s, s.AsType(in, m.router.compute.Activation())), quant.F32))
	y := m.weighed(s, x, m.opened(s, in, ids), ids, weights)
	if m.shared == nil {
		return y
	}
	inner := m.shared.opened(s, n, x, in)
	on := s.Sigmoid(s.AsType(m.sharedOn.Apply(s, in), quant.F32))
	return s.Add(y, s.Mul(on, s.AsType(m.shared.down.Apply(s, inner), quant.F32)))
}
