package model

// Qwen3.5 and 3.6, dense: the hybrid layers of Qwen3-Next, with the input projections of Gated
// DeltaNet stored apart, and a dense SwiGLU.

func (b *builder) qwen35Block(i int) Block {
	return b.hybridBlock(i, b.mlp(at(i, "mlp"), b.Config.Intermediate))
}
