package arch

// qwen3Next is hybrid, with fused input projections and experts, but for the layers that the config
// excepts from them.
func qwen3Next(c Config) []Choice {
	return append(ends(c), layers(c, func(i int, prefix string) []Choice {
		return append(mixer(c, i, prefix), channel(c, i, prefix)...)
	})...)
}
