package arch

// qwen35 is hybrid and dense, with split input projections.
func qwen35(c Config) []Choice {
	return append(ends(c), layers(c, func(i int, prefix string) []Choice {
		return append(mixer(c, i, prefix), feedForward(c, prefix+"mlp.", c.Intermediate)...)
	})...)
}
