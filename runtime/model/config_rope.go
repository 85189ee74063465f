package model

import "qimport/runtime/layer"

// rawPositions holds both spellings of the rotary settings: rope_parameters, and the older keys
// beside it.
type rawPositions struct {
	Parameters    *rawRoPE `json:"rope_parameters"`
	Theta         *float64 `json:"rope_theta"`
	PartialFactor *float64 `json:"partial_rotary_factor"`
	Scaling       *rawRoPE `json:"rope_scaling"`
}

// rawRoPE is a rope_parameters or rope_scaling object. mlx-lm's conversion renames rope_type to type.
type rawRoPE struct {
	RoPEType         string   `json:"rope_type"`
	Type             string   `json:"type"`
	Theta            *float64 `json:"rope_theta"`
	PartialFactor    *float64 `json:"partial_rotary_factor"`
	Factor           *float64 `json:"factor"`
	OriginalLength   *int     `json:"original_max_position_embeddings"`
	BetaFast         *float64 `json:"beta_fast"`
	BetaSlow         *float64 `json:"beta_slow"`
	AttentionFactor  *float64 `json:"attention_factor"`
	MScale           *float64 `json:"mscale"`
	MScaleAllDims    *float64 `json:"mscale_all_dim"`
	TruncateDisabled *bool    `json:"truncate"`
}

func (r *rawRoPE) kind() string {
	if r == nil {
		return "default"
	}
	for _, k := range []string{r.RoPEType, r.Type} {
		if k != "" {
			return k
		}
	}
	return "default"
}

// rope reads the rotary settings, rope_parameters first. There is no default for theta: projects
// disagree about it.
func (r rawText) rope(s *sizes, f Family, headDim int) layer.RoPE {
	scaling := r.Scaling
	theta, partial := r.Theta, r.PartialFactor
	if p := r.Parameters; p != nil {
		theta, partial = firstOf(p.Theta, theta), firstOf(p.PartialFactor, partial)
		scaling = p
	}
	fraction := 1.0
	if f.hybrid() {
		fraction = 0.25
	}
	if partial != nil {
		fraction = *partial
	}
	rope := layer.RoPE{Dims: int(float64(headDim) * fraction)}
	if theta == nil || *theta <= 1 {
		s.fail("rope_theta is missing or not above 1")
		return rope
	}
	rope.Theta = *theta
	if rope.Dims < 2 || rope.Dims%2 != 0 || rope.Dims > headDim {
		s.fail("partial_rotary_factor %g of head_dim %d leaves %d rotary dimensions; an even number is needed",
			fraction, headDim, rope.Dims)
	}
	switch kind := scaling.kind(); kind {
	case "default", "mrope": // equal for text, whose three positions are the same
	case "yarn":
		rope.YaRN = scaling.yarn(s)
	default:
		s.fail("rope type %q is not supported; known are default, mrope and yarn", kind)
	}
	return rope
}

// yarn reads the settings of YaRN, with transformers' defaults for the optional ones.
func (r *rawRoPE) yarn(s *sizes) *layer.YaRN {
	y := &layer.YaRN{Original: s.need("original_max_position_embeddings", r.OriginalLength), BetaFast: 32, BetaSlow: 1}
	if r.Factor == nil || *r.Factor < 1 {
		s.fail("yarn's factor is missing or below 1")
		return y
	}
	if r.MScale != nil || r.MScaleAllDims != nil || r.TruncateDisabled != nil {
		s.fail("yarn with mscale, mscale_all_dim or truncate is not supported")
	}
	y.Factor = *r.Factor
	if r.BetaFast != nil {
		y.BetaFast = *r.BetaFast
	}
	if r.BetaSlow != nil {
		y.BetaSlow = *r.BetaSlow
	}
	if r.AttentionFactor != nil {
		y.Attention = *r.AttentionFactor
	}
	return y
}

func firstOf(a, b *float64) *float64 {
	if a != nil {
		return a
	}
	return b
}
