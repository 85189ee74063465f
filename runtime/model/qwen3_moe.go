package model

import (
	"fmt"
	"slices"

	"qimport/runtime/layer"
)

// Qwen3-MoE: Qwen3 with routed experts, and no shared one, in all layers but those that the config
// keeps dense; and the text model of Qwen3-VL with experts.

func (b *builder) qwen3MoEBlock(i int) Block {
	return Block{
		MixerNorm:       b.norm(at(i, "input_layernorm"), b.Config.HiddenSize),
		Mixer:           b.attention(i, false),
		FeedForwardNorm: b.norm(at(i, "post_attention_layernorm"), b.Config.HiddenSize),
		FeedForward:     b.sparseOrDense(i),
	}
}

// sparseOrDense is the mixture of layer i, or its dense part where the config says so.
func (b *builder) sparseOrDense(i int) FeedForward {
	if b.Config.SparseLayer[i] {
		return b.mixture(i)
	}
	return b.mlp(at(i, "mlp"), b.Config.Intermediate)
}

// mixture is the routed experts of layer i, with the shared one if the family has it.
func (b *builder) mixture(i int) FeedForward {
	c, h := b.Config, b.Config.HiddenSize
	w := layer.MoEWeights{Router: b.matrix(at(i, "mlp.gate"), c.Experts, h)}
	w.Gate, w.Up, w.Down = b.experts(at(i, "mlp"))
	if c.SharedWidth > 0 {
		gate := b.matrix(at(i, "mlp.shared_expert_gate"), 1, h)
		w.Shared, w.SharedGate = b.mlp(at(i, "mlp.shared_expert"), c.SharedWidth), &gate
	}
	return layer.NewMoE(b.compute, c.TopK, c.NormalizeTopK, w)
}

// experts finds the expert stacks under path, gate and up [E, Im, H] and down [E, H, Im], in the
// forms that checkpoints and stores have: gate and up fused, stacked by projection, or one by one.
func (b *builder) experts(path string) (gate, up, down layer.Matrix) {
	e, h, inner := b.Config.Experts, b.Config.HiddenSize, b.Config.ExpertWidth
	if fused := path + ".experts.gate_up_proj"; b.has(fused) {
		both := b.stack(fused, e, 2*inner, h)
		return both.Pick([2]int{0, inner}), both.Pick([2]int{inner, 2 * inner}), b.stack(path+".experts.down_proj", e, h, inner)
	}
	one := func(projection string, out, in int) layer.Matrix {
		stacks := []string{path + ".switch_mlp." + projection + ".weight", path + ".experts." + projection + ".weight"}
		if i := slices.IndexFunc(stacks, b.has); i >= 0 {
			return b.stack(stacks[i], e, out, in)
		}
		return b.stackSingles(path+".experts.%d."+projection, e, out, in)
	}
	return one("gate_proj", inner, h), one("up_proj", inner, h), one("down_proj", h, inner)
}

// stack is a stored stack of experts [e, out, in].
func (b *builder) stack(name string, e, out, in int) layer.Matrix {
	return layer.NewMatrix(b.load(name, e, out, in))
}

// stackSingles stacks e experts stored one by one; pattern has a place for the number.
func (b *builder) stackSingles(pattern string, e, out, in int) layer.Matrix {
	all := make([]layer.Matrix, e)
	for n := range all {
		all[n] = b.matrix(fmt.Sprintf(pattern, n), out, in)
	}
	return layer.Stack(b.prefix+pattern, all)
}
