package arch

// qwen35MoE is hybrid, with experts and a shared expert in every layer.
func qwen35MoE(c Config) []Choice {
	return append(ends(c), layers(c, func(i int, prefix string) []Choice {
		return append(mixer(c, i, prefix), experts(c, prefix)...)
	})...)
}
