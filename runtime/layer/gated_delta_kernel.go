package layer

import (
	_ "embed"
	"math"
	"strings"

	"qimport/quant"
	"qimport/runtime/mlx"
)

// To start a small operation takes a GPU longer than to run it, and the gated delta rule is made of
// many. So there, all that lies between a Gated DeltaNet layer's projections is one operation of our
// own.

//go:embed gated_delta.cu
var gatedDeltaCUDA string

//go:embed gated_delta.metal
var gatedDeltaMetal string

// lean is a source without comments and indentation: it is put together with what is particular anew for every
// run that is added to a graph.
func lean(source string) string {
	var b strings.Builder
	for line := range strings.Lines(source) {
		code, _, _ := strings.Cut(line, "//")
		if code = strings.TrimSpace(code); code != "" {
			b.WriteString(code + "\n")
		}
	}
	return b.String()
}

// fusedMaxDim is the largest head that the kernel's registers and threads are made for.
const fusedMaxDim = 128

// fusedRows is how many rows of the state a thread has a part of, fusedLanes how many threads share
// them. 4 rows of 128 columns over 8 threads are 64 registers each, in 256 threads for 128 rows:
// every GPU has the registers for that.
const (
	fusedRows  = 4
	fusedLanes = 8
)

// fusedThreads is the size of a group, which works on one value head: whole warps.
func (z DeltaSizes) fusedThreads() int {
	rows := (z.ValueDim + fusedRows - 1) / fusedRows
	return (rows*fusedLanes + 31) / 32 * 32
}

// gatedDeltaKernel is everything from the input projections x to the gated norm y, with the
// convolution's past and the delta state before and after; see the sources.
var gatedDeltaKernel = &mlx.Kernel{
	Name:    "gated_delta",
	Inputs:  []string{"x", "past", "state", "taps", "rate", "bias", "weight"},
	Outputs: []string{"y", "next_past", "next_state", "decays"},
	Ints:    []string{"NK", "NV", "DK", "DV", "KERNEL", "ROWS", "THREADS", "EPS"},
	Types:   []string{"Act", "State", "Decay"},
	CUDA: mlx.KernelSource{Header: lean(gatedDeltaCUDA), Body: `
  qimport::gated_delta<Act, State, Decay, NK, NV, DK, DV, KERNEL, ROWS, THREADS>(
      x, x_shape[1], past, state, taps, rate, bias, weight, __int_as_float(EPS),
      y, next_past, next_state, decays);`},
	Metal: mlx.KernelSource{Header: lean(gatedDeltaMetal), Body: `
  threadgroup float mixed[2 * (2 * DK + DV)];
  threadgroup float squares[2 * (THREADS / 32)], betas[2], factors[2];
  qimport::gated_delta<Act, State, Decay, NK, NV, DK, DV, KERNEL, ROWS, THREADS>(
      x, x_shape[1], past, state, taps, rate, bias, weight, as_type<float>(EPS),
      y, next_past, next_state, decays, mixed, squares, betas, factors,
      int(threadgroup_position_in_grid.x), int(thread_position_in_threadgroup.x));`},
}

// fuses says whether the layer runs as the kernel.
func (d *DeltaNet) fuses() bool {
	return d.compute.GPU && mlx.HasKernels() && d.sizes.KeyDim <= fusedMaxDim && d.sizes.ValueDim <= fusedMaxDim
}

// fused is mix as one operation on a GPU.
func (d *DeltaNet) fused(s *mlx.Scope, x *mlx.Array, cache *DeltaCache) *mlx.Array {
	z, c := d.sizes, d.compute
	b, t := x.Shape()[0], x.Shape()[1]
	d.begin(s, cache, b)
	past, state := cache.conv.Shape(), cache.state.Shape()
	group := z.fusedThreads()
	out := s.Run(gatedDeltaKernel, mlx.KernelRun{
		Inputs: []*mlx.Array{x, cache.conv, cache.state, d.conv.Array, d.rate.Array, d.bias.Array, d.norm.weight.Array},
		Outputs: []mlx.KernelOutput{
			{Dtype: c.Activation(), Shape: []int{b, t, z.ValueWidth()}},
			{Dtype: c.Activation(), Shape: past},
			{Dtype: c.State, Shape: state},
			{Dtype: c.Decay, Shape: []int{b, t, z.ValueHeads}},
		},
		Ints:    []int{z.KeyHeads, z.ValueHeads, z.KeyDim, z.ValueDim, z.Kernel, fusedRows, group, int(int32(math.Float32bits(d.norm.eps)))},
		Types:   []quant.Dtype{c.Activation(), c.State, c.Decay},
		Threads: [3]int{b * z.ValueHeads * group, 1, 1},
		Group:   [3]int{group, 1, 1},
	})
	cache.carry(s, out[1], out[2], out[3])
	return out[0]
}
