package arch

// qwen3MoE is qwen3 with experts, but for the layers that the config excepts; no shared expert. The text
// model of Qwen3-VL with experts is one.
func qwen3MoE(c Config) []Choice {
	return append(ends(c), layers(c, func(i int, prefix string) []Choice {
		return append(attention(c, prefix, false), channel(c, i, prefix)...)
	})...)
}
