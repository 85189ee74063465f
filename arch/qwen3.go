package arch

// qwen3 is the dense model, and the text model of Qwen3-VL: full attention without output gate in every
// layer.
func qwen3(c Config) []Choice {
	return append(ends(c), layers(c, func(_ int, prefix string) []Choice {
		return append(attention(c, prefix, false), feedForward(c, prefix+"mlp.", c.Intermediate)...)
	})...)
}
