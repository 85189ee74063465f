package arch

// qwen3MoE is qwen3 with experts, but for the layers that the config excepts; no shared expert.
func qwen3MoE(c Config) []Choice {
	return append(ends(c), layers(c, func(i int, prefix string) []Choice {
		return append(attention(c, prefix, false), channel(c, i, prefix)...)
	})...)
}
