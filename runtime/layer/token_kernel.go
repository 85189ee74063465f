package layer

import (
	_ "embed"
	"math"

	"qimport/quant"
	"qimport/runtime/mlx"
)

// Handing an operation to CUDA takes MLX some ten microseconds, and a GPU less to run it where there is but one
// token: a product with a norm before it, or a gate, or the sum of the layers after it, was three or four
// of them. Here each is one. Metal has no such source yet, and takes the operations.

//go:embed warp.cu
var warpCUDA string

//go:embed token.cu
var tokenCUDA string

// behindWarp is the source of a single token's kernels.
func behindWarp(source string) string { return lean(warpCUDA + source) }

// Of token.cu: the widest input that is made anew before its product, the columns a thread works on, and the
// warps of a block.
const (
	tokenHeld  = 8192
	tokenWide  = 8
	tokenWarps = 8
	warp       = 32
)

// tokenFull is how many warps keep a GPU busy; rows are shared by several where there are fewer.
const tokenFull = 4096

// normedKernel is a product of a normalised input, gated where weight comes as a row; see the source.
var normedKernel = &mlx.Kernel{
	Name:    "token_normed",
	Inputs:  []string{"x", "weight", "w"},
	Outputs: []string{"y"},
	Ints:    []string{"EPS"},
	CUDA: mlx.KernelSource{Header: behindWarp(tokenCUDA), Body: `
  qimport::normed(x, weight, __int_as_float(EPS), w, w_shape[0], w_shape[1], weight_shape[0] == 1, y);`},
}

// addedKernel is the sum of the layers with a product of x, or of x opened by a gate; see the source.
var addedKernel = &mlx.Kernel{
	Name:    "token_added",
	Inputs:  []string{"x", "gate", "sum", "w"},
	Outputs: []string{"y"},
	CUDA: mlx.KernelSource{Header: behindWarp(tokenCUDA), Body: `
  const int behind = gate_shape[2] - w_shape[1];
  qimport::added(x, gate + behind, sum, w, w_shape[0], w_shape[1], y);`},
}

// single says whether x [1, 1, n] is a single token on a GPU that kernels of ours for one are written for.
func single(s *mlx.Scope, x *mlx.Array) bool {
	shape := x.Shape()
	return len(shape) == 3 && shape[0] == 1 && shape[1] == 1 && s.Backend() == "cuda" && mlx.HasKernels()
}

// tokenWeight is the one dense weight of the map, where kernels of ours take it for products with outputs of
// that many rows; else nil.
func (l *Linear) tokenWeight(outputs int) *Param {
	if l.mapped != nil || len(l.weights) != 1 || l.bias != nil || l.weights[0].dense == nil {
		return nil
	}
	w := l.weights[0].dense
	if outputs%tokenWarps != 0 || w.Shape[1]%tokenWide != 0 {
		return nil
	}
	return w
}

// blocks is how many blocks work on a product of that many rows with inputs of k.
func tokenBlocks(rows, k int) int {
	split := 1
	for split < tokenWarps && rows*split < tokenFull && k >= 2*split*tokenWide*warp {
		split *= 2
	}
	return rows * split / tokenWarps
}

func (k *tokenRun) run(s *mlx.Scope, kernel *mlx.Kernel) *mlx.Array {
	const group = tokenWarps * warp
	return s.Run(kernel, mlx.KernelRun{
		Inputs: k.inputs, Outputs: []mlx.KernelOutput{{Dtype: k.dtype, Shape: []int{1, 1, k.rows}}}, Ints: k.ints,
		Threads: [3]int{tokenBlocks(k.rows, k.columns) * group, 1, 1}, Group: [3]int{group, 1, 1},
	})[0]
}

// tokenRun is one use of a kernel that makes a product.
type tokenRun struct {
	inputs        []*mlx.Array
	rows, columns int // of outputs, of inputs
	dtype         quant.Dtype
	ints          []int
}

// normed is the map of x [B, T, in] after the norm.
func (l *Linear) normed(s *mlx.Scope, n *Norm, x *mlx.Array) *mlx.Array {
	if w := l.tokenNormed(s, n, x, 1); w != nil {
		return w.run(s, normedKernel)
	}
	return l.Apply(s, n.Apply(s, x))
}

// tokenNormed describes the map after the norm of a single token as one operation, or is nil. Of the map's rows,
// parts make one output.
func (l *Linear) tokenNormed(s *mlx.Scope, n *Norm, x *mlx.Array, parts int) *tokenRun {
	if !single(s, x) || x.Dtype() != quant.F32 || n.weight.Dtype != quant.F32 || x.Dim(2) > tokenHeld || l.mapped != nil {
		return nil
	}
	rows := l.out() / parts
	w := l.tokenWeight(rows)
	if w == nil {
		return nil
	}
	weight := n.weight.Array
	if parts > 1 {
		weight = s.Reshape(weight, 1, x.Dim(2))
	}
	return &tokenRun{inputs: []*mlx.Array{x, weight, w.Array}, rows: rows, columns: x.Dim(2), dtype: l.compute.Activation(),
		ints: []int{int(int32(math.Float32bits(n.eps)))}}
}

// out is how many outputs the map has.
func (l *Linear) out() int {
	n := 0
	for _, w := range l.weights {
		n += w.out
	}
	return n
}

// added is sum [B, T, out] and the map of x [B, T, in], which is opened by a gate unless that is nil: the last
// in columns of it.
func (l *Linear) added(s *mlx.Scope, sum, x, gate *mlx.Array) *mlx.Array {
	w := (*Param)(nil)
	if single(s, x) && sum.Dtype() == quant.F32 && (gate == nil || x.Dim(2) <= tokenHeld) && l.mapped == nil {
		w = l.tokenWeight(l.out())
	}
	if w != nil {
		run := tokenRun{inputs: []*mlx.Array{x, x, sum, w.Array}, rows: l.out(), columns: x.Dim(2), dtype: quant.F32}
		if gate != nil {
			run.inputs[1] = gate
		}
		return run.run(s, addedKernel)
	}
	if gate != nil {
		n := gate.Dim(-1)
		x = s.Mul(x, s.Sigmoid(s.SliceAxis(gate, -1, n-x.Dim(-1), n)))
	}
	return s.Add(sum, l.Apply(s, x))
}

// Added is x [B, T, H], a sum of layers, and the part's output for its norm.
func (m *MLP) Added(s *mlx.Scope, n *Norm, x *mlx.Array) *mlx.Array {
	return m.down.added(s, x, m.opened(s, n, x, n.Apply(s, x)), nil)
}

// opened is what the part holds inside, [B, T, inner], for the norm of x [B, T, H], which in is.
func (m *MLP) opened(s *mlx.Scope, n *Norm, x, in *mlx.Array) *mlx.Array {
	if w := m.gateUp.tokenNormed(s, n, x, 2); w != nil {
		return w.run(s, normedKernel) // in is not made then, since nothing asks for it
	}
	return m.compute.swiglu(s, m.gateUp.Apply(s, in), m.inner)
}
