package quant

import (
	"encoding/binary"
	"math"

	"qimport/quant/kernel"
)

// rule is one way in which MLX's CPU path differs from its GPU kernels (which qimport follows). The
// models below are written from the description of the CPU path, independently of the kernels, and
// take any number of GPU rules instead.
type rule uint

const (
	inFloat32    rule = 1 << iota // float modes: arithmetic in float32, not rounded to the weights' dtype
	byReciprocal                  // float modes: w * (1/scale), not w / scale
	zeroGroup                     // an mx group of zeros has scale code 0, not 127; under a scale of 0 values are ±0, not NaN or infinity
	saturates                     // 4 bits: values so large that all distances round to the same get code 7, not 0
	tiesToEven                    // 4 bits: a tie goes to the even code, not to the smaller magnitude
	signOfZero                    // 4 bits: what rounds to zero from below is code 8, not 0
	maxFromZero                   // affine: the maximum starts at 0
	halvesAway                    // affine: halves round away from zero, not to even
)

// ruleNames lists the rules in the order in which the test turns them on.
var ruleNames = []struct {
	rule rule
	name string
}{
	{inFloat32, "arithmetic in float32"},
	{byReciprocal, "reciprocal for division"},
	{zeroGroup, "zero groups"},
	{saturates, "huge values saturate"},
	{tiesToEven, "ties to even"},
	{signOfZero, "sign of zero kept"},
	{maxFromZero, "maximum starts at 0"},
	{halvesAway, "halves away from zero"},
}

// model is codes, one a byte, and scales and biases as stored.
type model struct {
	codes          []byte
	scales, biases []byte
}

// modelEncode quantizes w, values of type t, with the CPU's rules but for those in r.
func modelEncode(f Format, w []float32, t Dtype, r rule) model {
	m := model{}
	for g := 0; g < len(w); g += f.GroupSize {
		group := w[g : g+f.GroupSize]
		if f.Mode == Affine {
			m.affineGroup(f, group, t, r)
		} else {
			m.floatGroup(f, group, t, r)
		}
	}
	return m
}

func (m *model) floatGroup(f Format, w []float32, t Dtype, r rule) {
	rounded := func(x float32) float32 {
		if r&inFloat32 != 0 {
			return x
		}
		return roundTo(t, x)
	}
	amax := float32(0)
	for _, x := range w {
		amax = max(amax, float32(math.Abs(float64(x))))
	}
	top := map[Mode]float32{NVFP4: 6, MXFP4: 6, MXFP8: 448}[f.Mode]
	code, scale := modelScale(f.Mode, rounded(amax/top), r)
	m.scales = append(m.scales, code)
	for _, x := range w {
		q := rounded(x / scale)
		if r&byReciprocal != 0 {
			q = x * float32(1/scale)
		}
		if scale == 0 && r&zeroGroup != 0 {
			q = x * 0
		}
		if f.Mode == MXFP8 {
			m.codes = append(m.codes, kernel.EncodeE4M3(q))
			continue
		}
		difference := func(a, b float32) float32 { return a - b }
		if f.Mode == MXFP4 {
			difference = func(a, b float32) float32 { return rounded(a - b) }
		}
		m.codes = append(m.codes, modelE2M1(q, r, difference))
	}
}

// modelScale is the stored code of a scale, and its value.
func modelScale(m Mode, s float32, r rule) (byte, float32) {
	if m == NVFP4 {
		code := kernel.EncodeE4M3(s)
		return code, kernel.DecodeE4M3(code)
	}
	if s == 0 && r&zeroGroup == 0 {
		return 127, 1
	}
	code := byte(max(math.Ceil(math.Log2(float64(s))), -127) + 127)
	return code, kernel.DecodeE8M0(code)
}

// modelE2M1 is the table entry nearest to q: the first of equals, and 0 for NaN.
func modelE2M1(q float32, r rule, difference func(a, b float32) float32) byte {
	table := []float32{0, .5, 1, 1.5, 2, 3, 4, 6, 0, -.5, -1, -1.5, -2, -3, -4, -6}
	if r&saturates != 0 {
		q = max(min(q, 6), -6)
	}
	best, at := float32(math.Inf(1)), byte(0)
	for i, v := range table {
		d := float32(math.Abs(float64(difference(q, v))))
		tie := d == best && r&tiesToEven != 0 && i%2 == 0 && i != 8
		if d < best || tie {
			best, at = d, byte(i)
		}
	}
	if at == 0 && math.Signbit(float64(q)) && r&signOfZero != 0 {
		return 8
	}
	return at
}

func (m *model) affineGroup(f Format, w []float32, t Dtype, r rule) {
	round := math.RoundToEven
	lo, hi := w[0], w[0]
	if r&maxFromZero != 0 {
		hi = 0
	}
	if r&halvesAway != 0 {
		round = math.Round
	}
	for _, x := range w {
		lo, hi = min(lo, x), max(hi, x)
	}
	top := float64(int(1)<<f.Bits - 1)
	s, edge := max(float32(hi-lo)/float32(top), 1e-7), lo
	if math.Abs(float64(lo)) <= math.Abs(float64(hi)) {
		s, edge = -s, hi
	}
	bias := float32(0)
	if q := float32(round(float64(edge / s))); q != 0 {
		s, bias = edge/q, edge
	}
	for _, x := range w {
		q := round(float64(float32(x-bias) / s))
		m.codes = append(m.codes, byte(min(max(q, 0), top)))
	}
	m.scales = appendAs(m.scales, t, s)
	m.biases = appendAs(m.biases, t, bias)
}

// roundTo is x as type t holds it.
func roundTo(t Dtype, x float32) float32 {
	if t == BF16 {
		return kernel.BF16ToFloat(kernel.FloatToBF16(x))
	}
	return x
}

func appendAs(b []byte, t Dtype, x float32) []byte {
	if t == BF16 {
		return binary.LittleEndian.AppendUint16(b, kernel.FloatToBF16(x))
	}
	return binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
}
