package model

// Qwen3.5 and 3.6 with experts: the layers of the dense model, with routed experts and a shared
// one in every layer.

func (b *builder) qwen35MoEBlock(i int) Block {
	return b.hybridBlock(i, b.mixture(i))
}
