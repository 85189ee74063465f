package layer

import (
	"qimport/quant"
	"qimport/quant/kernel"
	"qimport/runtime/mlx"
)

// readsPrompt says whether lookPrompt can look from tokens to what the cache holds.
func (a *Attention) readsPrompt(cache *Cache) bool {
	c := a.in.compute
	if c.GPU || c.Activation() != quant.F32 || cache.Padding.any() || a.qNorm == nil || a.kNorm == nil || a.qNorm.eps != a.kNorm.eps {
		return false
	}
	kept, ok := cache.KV.Dtype()
	return (!ok || kept == quant.F32) && a.prompt(1).Entry() != nil
}

func (a *Attention) prompt(tokens int) kernel.AttendPrompt {
	return kernel.AttendPrompt{Attend: a.step(), Tokens: tokens}
}

// lookPrompt is what lies between the projections, y [B, T, ..] being the first: [B, T, nq*D], as one operation of
// a CPU's graph. MLX's attention makes all scores of a head before it looks at the next, on one core but for the products.
func (a *Attention) lookPrompt(s *mlx.Scope, y *mlx.Array, cache *Cache) *mlx.Array {
	z, kv := a.sizes, &cache.KV
	b, t, d := y.Dim(0), y.Dim(1), z.HeadDim
	turns := a.turns(s, t, cache)
	length := s.FromInt32([]int32{int32(kv.Len())}, 1)
	for _, buffer := range []**mlx.Array{&kv.keys, &kv.values} {
		reserve(s, buffer, quant.F32, b, z.KVHeads, kv.length, kv.length+t, d)
	}
	k := a.prompt(t)
	sizes := k.Sizes()
	outputs := []mlx.Output{{Shape: []int{b, t, z.Heads * d}}, {Shape: kv.keys.Shape(), Over: 2}, {Shape: kv.values.Shape(), Over: 3}}
	out := s.Calls(k.Entry(), nil, quant.F32, outputs, y, kv.keys, kv.values, a.qNorm.weight.Array, a.kNorm.weight.Array,
		turns, length, s.FromInt32(sizes, len(sizes)))
	replace(s, &kv.keys, out[1])
	replace(s, &kv.values, out[2])
	kv.length += t
	return out[0]
}

// turns are the cosines and sines of the positions of the t tokens that come next, [t, Dims]: what the rotation makes
// of pairs (1, 0).
func (a *Attention) turns(s *mlx.Scope, t int, cache *Cache) *mlx.Array {
	dims := a.rope.rope.Dims
	unit := make([]float32, t*dims)
	for i := range unit {
		if i%dims < dims/2 {
			unit[i] = 1
		}
	}
	return a.rotate(s, s.FromFloat32(unit, 1, 1, t, dims), cache)
}
