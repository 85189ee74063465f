package layer

import (
	"math"

	"qimport/quant"
	"qimport/runtime/mlx"
)

// RoPE is the rotary position encoding of one model: half-split pairs over the first Dims columns
// of every head, the rest passing through.
type RoPE struct {
	Dims  int // even
	Theta float64
	YaRN  *YaRN // nil for plain frequencies
}

// YaRN stretches RoPE to contexts longer than the trained one (https://arxiv.org/abs/2309.00071,
// as transformers computes it).
type YaRN struct {
	Factor             float64 // how much longer the context is
	Original           int     // positions the model was trained on
	BetaFast, BetaSlow float64 // turns over Original above and below which a frequency is kept or divided
	Attention          float64 // what cosines and sines are multiplied by; 0 for 0.1 ln(Factor) + 1
	Truncate           bool    // the range of pairs between is rounded outwards to whole pairs
}

// periods returns, for each of the Dims/2 pairs, the positions per radian: the inverse of the
// angular frequency, which is what MLX's rope takes.
func (r RoPE) periods() []float32 {
	p := make([]float32, r.Dims/2)
	for j := range p {
		period := math.Pow(r.Theta, 2*float64(j)/float64(r.Dims))
		if r.YaRN != nil {
			period = r.YaRN.stretch(period, j, r)
		}
		p[j] = float32(period)
	}
	return p
}

// stretch divides the frequency of pair j by Factor where the pair turns too seldom to have been
// seen whole in training, keeps it where it turns often, and blends linearly between.
func (y *YaRN) stretch(period float64, j int, r RoPE) float64 {
	low, high := y.pairOf(y.BetaFast, r), y.pairOf(y.BetaSlow, r)
	if y.Truncate {
		low, high = math.Floor(low), math.Ceil(high)
	}
	low, high = math.Max(low, 0), math.Min(high, float64(r.Dims-1))
	if low == high {
		high += 0.001
	}
	divided := min(max((float64(j)-low)/(high-low), 0), 1)
	return 1 / (divided/(period*y.Factor) + (1-divided)/period)
}

// pairOf is the (fractional) pair that makes that many turns over the trained context.
func (y *YaRN) pairOf(turns float64, r RoPE) float64 {
	return float64(r.Dims) * math.Log(float64(y.Original)/(turns*2*math.Pi)) / (2 * math.Log(r.Theta))
}

// attention is the factor on the rotated columns of queries and keys alike.
func (y *YaRN) attention() float32 {
	if y.Attention != 0 {
		return float32(y.Attention)
	}
	return float32(0.1*math.Log(y.Factor) + 1)
}

// Rotary applies a RoPE; all layers of a model share one.
type Rotary struct {
	rope    RoPE
	periods *Param // [Dims/2] with YaRN; nil where MLX works them out from Theta
}

// NewRotary describes it.
func NewRotary(r RoPE) *Rotary {
	if r.YaRN == nil {
		return &Rotary{rope: r}
	}
	return &Rotary{rope: r, periods: &Param{Name: "rope", Shape: []int{r.Dims / 2}, Dtype: quant.F32,
		Fill: func(dst []byte) error { copy(dst, floatBytes(r.periods())); return nil }}}
}

// Params lists its array, if it has one.
func (r *Rotary) Params() []*Param {
	if r.periods == nil {
		return nil
	}
	return []*Param{r.periods}
}

// Apply rotates x [B, heads, T, D], whose first position is at: of all sequences, less the padding
// of each.
func (r *Rotary) Apply(s *mlx.Scope, x *mlx.Array, at int, padding Padding) *mlx.Array {
	if padding.any() {
		return r.applyAt(s, x, padding.positions(s, at))
	}
	x = r.stretch(s, x)
	dims := r.rope.Dims
	if r.periods == nil {
		return s.RoPE(x, dims, false, float32(r.rope.Theta), 1, at)
	}
	return s.RoPEFreqs(x, r.periods.Array, dims, false, 1, at)
}

// applyAt rotates x [B, heads, T, D] from a first position of each sequence on, int32 [B].
func (r *Rotary) applyAt(s *mlx.Scope, x, positions *mlx.Array) *mlx.Array {
	return s.RoPEAt(r.stretch(s, x), r.rope.Dims, false, float32(r.rope.Theta), 1, positions, r.freqs())
}

// stretch multiplies the columns that are rotated by YaRN's factor.
func (r *Rotary) stretch(s *mlx.Scope, x *mlx.Array) *mlx.Array {
	if r.periods == nil {
		return x
	}
	parts := split(s, x, r.rope.Dims)
	parts[0] = s.Mul(parts[0], s.ScalarLike(r.rope.YaRN.attention(), x))
	return s.Concatenate(-1, parts...)
}

// freqs is what MLX's rope takes in place of a base, or nil.
func (r *Rotary) freqs() *mlx.Array {
	if r.periods == nil {
		return nil
	}
	return r.periods.Array
}
