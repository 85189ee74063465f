package layer

import (
	_ "embed"
	"math"

	"qimport/quant"
	"qimport/runtime/mlx"
)

//go:embed attend.cu
var attendCUDA string

// attendKernel is, where keys are y itself, the token's key and value; else what its queries see.
var attendKernel = &mlx.Kernel{
	Name:    "token_attend",
	Inputs:  []string{"y", "keys", "values", "q_weight", "k_weight", "at"},
	Outputs: []string{"seen", "next_key", "next_value"},
	Ints:    []string{"NQ", "NKV", "D", "DIMS", "EPS", "BASE"},
	CUDA: mlx.KernelSource{Header: behindWarp(attendCUDA), Body: `
  qimport::attend<NQ, NKV, D, DIMS>(
      y, keys, values, keys_shape[2], q_weight, k_weight, at, __int_as_float(EPS), __int_as_float(BASE),
      seen, next_key, next_value);`},
}

// attendThreads is the size of a group of it.
const attendThreads = 512

// attendKeys is up to how many keys a head of queries is left to one group. For more, MLX's operations
// spread over the GPU.
const attendKeys = 4096

// fuses says whether attendKernel works on the layer's heads.
func (a *Attention) fuses() bool {
	z := a.sizes
	return (z.HeadDim == 64 || z.HeadDim == 128 || z.HeadDim == 256) && a.rope.periods == nil &&
		a.rope.rope.Dims <= z.HeadDim && a.qNorm != nil && a.kNorm != nil && a.qNorm.eps == a.kNorm.eps
}

// run is attendKernel for projections y [1, 1, ..], over that many heads.
func (a *Attention) run(s *mlx.Scope, y, keys, values, at *mlx.Array, heads int, outputs ...[]int) []*mlx.Array {
	z := a.sizes
	bits := func(x float32) int { return int(int32(math.Float32bits(x))) }
	r := mlx.KernelRun{
		Inputs: []*mlx.Array{y, keys, values, a.qNorm.weight.Array, a.kNorm.weight.Array, at},
		Ints: []int{z.Heads, z.KVHeads, z.HeadDim, a.rope.rope.Dims, bits(a.qNorm.eps),
			bits(float32(math.Log2(a.rope.rope.Theta)))},
		Threads: [3]int{heads * attendThreads, 1, 1}, Group: [3]int{attendThreads, 1, 1},
	}
	for _, shape := range outputs {
		r.Outputs = append(r.Outputs, mlx.KernelOutput{Dtype: y.Dtype(), Shape: shape})
	}
	return s.Run(attendKernel, r)
}

// tokenKeys is the key and the value, [1, nkv, 1, D] each, of a single token's projections y [1, 1, ..]. at is
// int32 [2], its position and how many keys there will be.
func (a *Attention) tokenKeys(s *mlx.Scope, y, at *mlx.Array) (key, value *mlx.Array) {
	one := []int{1, a.sizes.KVHeads, 1, a.sizes.HeadDim}
	out := a.run(s, y, y, y, at, a.sizes.KVHeads, []int{1}, one, one)
	return out[1], out[2]
}

// tokenSees is what the queries of y see in keys and values [1, nkv, room, D]: [1, 1, nq*D].
func (a *Attention) tokenSees(s *mlx.Scope, y, keys, values, at *mlx.Array) *mlx.Array {
	return a.run(s, y, keys, values, at, a.sizes.Heads, []int{1, 1, a.sizes.Heads * a.sizes.HeadDim}, []int{1}, []int{1})[0]
}

// replayToken makes the functions of a block for a single token whose keys and queries are the kernel's: before
// maps x and at to y, key and value, and after maps x, y, keys, values and at to the block's output.
func (a *Attention) replayToken(r Residual) (before, after *mlx.Function) {
	before = &mlx.Function{Build: func(s *mlx.Scope, in []*mlx.Array) []*mlx.Array {
		y := a.in.normed(s, r.MixerNorm, in[0])
		key, value := a.tokenKeys(s, y, in[1])
		return []*mlx.Array{y, key, value}
	}}
	after = &mlx.Function{Build: func(s *mlx.Scope, in []*mlx.Array) []*mlx.Array {
		x, y := in[0], in[1]
		var gate *mlx.Array
		if a.gated {
			gate = y
		}
		x = a.out.added(s, x, a.tokenSees(s, y, in[2], in[3], in[4]), gate)
		return []*mlx.Array{r.feed(s, x)}
	}}
	return before, after
}

// forwardToken runs x [1, 1, H] through functions that replayToken made.
func (r *Replayed) forwardToken(s *mlx.Scope, x *mlx.Array, cache *Cache) *mlx.Array {
	at := s.FromInt32(int32s([]int{cache.KV.Len() - cache.Shift, cache.KV.Len() + 1}), 2)
	out := s.Apply(r.tokenBefore, x, at)
	cache.KV.Append(s, out[1], out[2])
	return s.Apply(r.tokenAfter, x, out[0], cache.KV.keys, cache.KV.values, at)[0]
}

// readsToken says whether forwardToken can stand in for Forward.
func (r *Replayed) readsToken(s *mlx.Scope, x *mlx.Array, cache *Cache) bool {
	return r.tokenBefore != nil && single(s, x) && x.Dtype() == quant.F32 && !cache.Padding.any() && cache.KV.Len() < attendKeys
}
