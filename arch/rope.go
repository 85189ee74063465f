package arch

// RoPE is a model's rotary position encoding: half-split pairs over the first Dims columns of every
// head, the rest passing through.
type RoPE struct {
	Dims  int // even
	Theta float64
	YaRN  YaRN // zero for plain frequencies
}

// YaRN stretches RoPE to contexts longer than the trained one (https://arxiv.org/abs/2309.00071;
// _compute_yarn_parameters in transformers' modeling_rope_utils.py).
type YaRN struct {
	Factor             float64 // how much longer the context is
	Original           int     // positions the model was trained on
	BetaFast, BetaSlow float64 // turns over Original above and below which a frequency is kept or divided
	Attention          float64 // what cosines and sines are multiplied by; 0 for 0.1 ln(Factor) + 1
	Truncate           bool    // the range of pairs between is rounded outwards to whole pairs
}

// readRoPE reads the rotary settings: rope_parameters, as transformers 5 saves them, or rope_scaling
// beside rope_theta and partial_rotary_factor, as older ones do.
func (c *Config) readRoPE(s section) {
	var read []RoPE
	for _, key := range []string{"rope_parameters", "rope_scaling"} {
		if s.has(key) {
			if p := s.section(key); len(p.values) > 0 {
				read = append(read, c.ropeOf(s, p))
			}
		}
	}
	switch len(read) {
	case 0:
		c.RoPE = c.ropeOf(s, section{findings: s.findings})
		return
	case 2:
		if read[0] != read[1] {
			s.bad("rope_parameters and rope_scaling are both there and disagree")
		}
	}
	c.RoPE = read[0]
}

// ropeOf reads the settings in p, and those that p lacks from s, the text model's keys.
func (c *Config) ropeOf(s, p section) RoPE {
	r := RoPE{Theta: p.number("rope_theta", s.number("rope_theta", 0))}
	if !(r.Theta > 1) {
		s.bad("rope_theta is missing or not above 1")
	}
	kind := p.word("rope_type", p.word("type", "default"))
	fraction := c.rotaryFraction(s, p, kind)
	r.Dims = int(float64(c.HeadDim) * fraction)
	if r.Dims < 2 || r.Dims%2 != 0 || r.Dims > c.HeadDim {
		s.bad("partial_rotary_factor %g of head_dim %d leaves %d rotary dimensions; an even number is needed", fraction, c.HeadDim, r.Dims)
	}
	for _, key := range []string{kindFull, kindLinear} {
		if p.has(key) { // which transformers reads in other families
			s.unsupported("%s%s is not supported: all layers rotate alike", p.path, key)
		}
	}
	switch kind {
	case "default", "mrope": // equal for text, whose three positions are the same
	case "yarn":
		r.YaRN = readYaRN(p)
	default:
		s.unsupported("rope_type %q is not supported; supported: default, mrope, yarn", kind)
	}
	return r
}

// rotaryFraction is the part of a head's columns that rotate. transformers' hybrid models take
// partial_rotary_factor, 0.25 where it is missing; Qwen3 and Qwen3-MoE ignore it for plain
// frequencies, and with yarn would multiply heads by cosines of another width.
func (c *Config) rotaryFraction(s, p section, kind string) float64 {
	missing := 1.0
	if c.Family.Hybrid() {
		missing = 0.25
	}
	fraction := p.number("partial_rotary_factor", s.number("partial_rotary_factor", missing))
	if c.Family.Hybrid() {
		return fraction
	}
	if kind == "yarn" && fraction != 1 {
		s.unsupported("partial_rotary_factor %g with yarn is not supported in %s", fraction, c.Family)
	}
	return 1
}

// readYaRN reads the settings of YaRN, with transformers' defaults for the optional ones.
func readYaRN(p section) YaRN {
	y := YaRN{
		Original: p.size("original_max_position_embeddings", maxPositions),
		Factor:   p.number("factor", 0),
		BetaFast: p.number("beta_fast", 32),
		BetaSlow: p.number("beta_slow", 1),
		Truncate: p.flag("truncate", true),
	}
	if !(y.Factor >= 1) {
		p.bad("%sfactor is missing or below 1", p.path)
	}
	if !(y.BetaFast > 0 && y.BetaSlow > 0) {
		p.bad("%sbeta_fast and beta_slow are %g and %g; they must be above 0", p.path, y.BetaFast, y.BetaSlow)
	}
	if p.has("attention_factor") {
		if y.Attention = p.number("attention_factor", 1); !(y.Attention > 0) {
			p.bad("%sattention_factor is %g; it must be above 0", p.path, y.Attention)
		}
	}
	for _, key := range []string{"mscale", "mscale_all_dim"} {
		if p.has(key) {
			p.unsupported("%s%s is not supported", p.path, key)
		}
	}
	return y
}
