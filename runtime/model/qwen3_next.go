package model

import (
	"qimport/arch"
	"qimport/runtime/layer"
)

// Qwen3-Next: most layers are Gated DeltaNet, whose input projections are stored fused and
// interleaved by key head; the rest is attention with an output gate. Routed experts and a shared
// one, in all layers but those that the config keeps dense.

func (b *builder) qwen3NextBlock(i int) Block {
	return b.hybridBlock(i, b.sparseOrDense(i))
}

// hybridBlock is a layer of the hybrid families with that feed-forward part.
func (b *builder) hybridBlock(i int, ff FeedForward) Block {
	return Block{
		MixerNorm:       b.norm(at(i, "input_layernorm"), b.Config.HiddenSize),
		Mixer:           b.hybridMixer(i),
		FeedForwardNorm: b.norm(at(i, "post_attention_layernorm"), b.Config.HiddenSize),
		FeedForward:     ff,
	}
}

// hybridMixer is what the config says layer i is, provided that the tensors agree.
func (b *builder) hybridMixer(i int) Mixer {
	linear := !b.Config.FullAttention[i]
	if other := map[bool]string{true: "self_attn.q_proj.weight", false: "linear_attn.A_log"}[linear]; b.has(at(i, "%s", other)) {
		b.fail("layer %d has a tensor %s; by the config it is not of that kind (layer_types, full_attention_interval)", i, other)
	}
	if linear {
		return b.deltaNet(i)
	}
	return b.attention(i, true)
}

// deltaNet is the Gated DeltaNet of layer i.
func (b *builder) deltaNet(i int) Mixer {
	z, h := b.deltaSizes(), b.Config.HiddenSize
	path := func(name string) string { return at(i, "linear_attn.%s", name) }
	w := layer.DeltaWeights{
		ALog:   b.load(path("A_log"), z.ValueHeads),
		DtBias: b.load(path("dt_bias"), z.ValueHeads),
		Norm:   b.headNorm(path("norm"), z.ValueDim),
		Out:    b.matrix(path("out_proj"), h, z.ValueWidth()),
	}
	if b.form == arch.NormsRaw {
		w.Conv = b.load(path("conv1d.weight"), z.ConvDim(), 1, z.Kernel)
	} else {
		w.Conv = b.load(path("conv1d.weight"), z.ConvDim(), z.Kernel, 1)
	}
	if b.has(path("in_proj_qkvz.weight")) {
		w.QKV, w.Z, w.B, w.A = b.interleaved(i)
	} else {
		w.QKV = b.matrix(path("in_proj_qkv"), z.ConvDim(), h)
		w.Z = b.matrix(path("in_proj_z"), z.ValueWidth(), h)
		w.B = b.matrix(path("in_proj_b"), z.ValueHeads, h)
		w.A = b.matrix(path("in_proj_a"), z.ValueHeads, h)
	}
	return layer.NewDeltaNet(b.compute, z, w)
}

func (b *builder) deltaSizes() layer.DeltaSizes {
	c := b.Config
	return layer.DeltaSizes{
		KeyHeads: c.LinearKeyHeads, ValueHeads: c.LinearValueHeads,
		KeyDim: c.LinearKeyHeadDim, ValueDim: c.LinearValueHeadDim, Kernel: c.ConvKernel,
	}
}

// interleaved parts Qwen3-Next's fused projections. For every key head, in_proj_qkvz has the rows
// of its query (dk), key (dk), values (r*dv) and output gates (r*dv), r being the value heads of a
// key head, and in_proj_ba those of beta (r) and of the decay (r).
func (b *builder) interleaved(i int) (qkv, z, beta, a layer.Matrix) {
	d, h := b.deltaSizes(), b.Config.HiddenSize
	r := d.ValueHeads / d.KeyHeads
	values := r * d.ValueDim
	qkvz := b.matrix(at(i, "linear_attn.in_proj_qkvz"), d.ConvDim()+d.ValueWidth(), h)
	ba := b.matrix(at(i, "linear_attn.in_proj_ba"), 2*d.ValueHeads, h)
	head := 2*d.KeyDim + 2*values
	pick := func(stride, from, n int) (rows [][2]int) {
		for k := range d.KeyHeads {
			rows = append(rows, [2]int{k*stride + from, k*stride + from + n})
		}
		return rows
	}
	rows := pick(head, 0, d.KeyDim)
	rows = append(rows, pick(head, d.KeyDim, d.KeyDim)...)
	rows = append(rows, pick(head, 2*d.KeyDim, values)...)
	return qkvz.Pick(rows...), qkvz.Pick(pick(head, 2*d.KeyDim+values, values)...),
		ba.Pick(pick(2*r, 0, r)...), ba.Pick(pick(2*r, r, r)...)
}
