package layer

import (
	"math"

	"qimport/quant"
	"qimport/runtime/mlx"
)

// DeltaSizes are the dimensions of a Gated DeltaNet layer. ValueHeads is a multiple of KeyHeads:
// value head j uses the query and the key of key head j / (ValueHeads/KeyHeads).
type DeltaSizes struct {
	KeyHeads, ValueHeads int
	KeyDim, ValueDim     int // of one head
	Kernel               int // taps of the convolution
}

// ConvDim is the width of the convolution: queries, keys and values of all heads.
func (z DeltaSizes) ConvDim() int { return 2*z.KeyHeads*z.KeyDim + z.ValueHeads*z.ValueDim }

// ValueWidth is the width of the values, and of the output gate, of all heads.
func (z DeltaSizes) ValueWidth() int { return z.ValueHeads * z.ValueDim }

// l2Eps is added to the squared length of queries and keys; it is not the norms' eps.
const l2Eps = 1e-6

// DeltaNet is the Gated DeltaNet layer: a short causal convolution, the gated delta rule with its
// state, a gated norm. Everything about the rule is computed in float32.
type DeltaNet struct {
	sizes   DeltaSizes
	compute Compute
	in      *Linear // rows: queries, keys, values, then z, b and a
	conv    *Param  // [K, Cd]
	rate    *Param  // float32 [nv]: -exp(A_log)
	bias    *Param  // float32 [nv]: dt_bias
	scale   *Param  // float32 [2*nk, 1]: dk^-1 of the queries, dk^-0.5 of the keys
	norm    *Norm
	out     *Linear
}

// DeltaWeights are the stored parts of a DeltaNet.
type DeltaWeights struct {
	QKV, Z, B, A Matrix  // [Cd, H], [nv*dv, H], [nv, H], [nv, H]
	Conv         *Stored // [Cd, K, 1] or [Cd, 1, K]
	ALog, DtBias *Stored // [nv]
	Norm         *Norm   // [dv]
	Out          Matrix  // [H, nv*dv]
}

// NewDeltaNet describes the layer.
func NewDeltaNet(c Compute, z DeltaSizes, w DeltaWeights) *DeltaNet {
	return &DeltaNet{
		sizes: z, compute: c, norm: w.Norm,
		in:  NewLinear(c, w.QKV, w.Z, w.B, w.A),
		out: NewLinear(c, w.Out),
		conv: &Param{Name: w.Conv.Name, Shape: []int{z.Kernel, z.ConvDim()}, Dtype: quant.F32,
			Fill: func(dst []byte) error { return z.fillTaps(floats(dst), w.Conv) }},
		rate: vectorParam(w.ALog, func(x float32) float32 {
			return -float32(math.Exp(float64(x)))
		}),
		bias: NewTable(w.DtBias),
		scale: &Param{Name: "linear_attn.scale", Shape: []int{2 * z.KeyHeads, 1}, Dtype: quant.F32,
			Fill: func(dst []byte) error { z.fillScale(floats(dst)); return nil }},
	}
}

// fillTaps writes the convolution's weights [Cd, K] transposed: a tap is a row.
func (z DeltaSizes) fillTaps(dst []float32, t *Stored) error {
	w := make([]float32, len(dst))
	if err := t.decode(w); err != nil {
		return err
	}
	for ch := range z.ConvDim() {
		for tap := range z.Kernel {
			dst[tap*z.ConvDim()+ch] = w[ch*z.Kernel+tap]
		}
	}
	return nil
}

// fillScale writes what turns RMS-normalised queries and keys into l2-normalised ones, the queries
// divided by sqrt(dk) besides.
func (z DeltaSizes) fillScale(dst []float32) {
	root := math.Sqrt(float64(z.KeyDim))
	for h := range z.KeyHeads {
		dst[h] = float32(1 / (root * root))
		dst[z.KeyHeads+h] = float32(1 / root)
	}
}

// Params lists the layer's arrays.
func (d *DeltaNet) Params() []*Param {
	return concat(d.in.Params(), d.out.Params(), d.norm.Params(), []*Param{d.conv, d.rate, d.bias, d.scale})
}

// Forward runs x [B, T, H] through the layer, from the cache's states to the ones T tokens on. Padding
// leaves the states zero.
func (d *DeltaNet) Forward(s *mlx.Scope, x *mlx.Array, cache *Cache) *mlx.Array {
	mix := d.mixer(x.Shape()[1])
	if cache.Trail {
		mix = d.singly
	}
	in := cache.Padding.blank(s, d.in.Apply(s, x), cache.Delta.read)
	cache.Delta.read += x.Shape()[1]
	return d.out.Apply(s, mix(s, in, &cache.Delta))
}

// mixer is mix, or what stands in for it with so many tokens.
func (d *DeltaNet) mixer(tokens int) func(*mlx.Scope, *mlx.Array, *DeltaCache) *mlx.Array {
	switch {
	case d.fuses():
		return d.fused
	case d.steps(tokens):
		return d.step
	case tokens > 1 && d.readsPrompt():
		return d.mixPrompt
	}
	return d.mix
}

// mix is all that lies between the projections: x [B, T, Cd + nv*dv + 2*nv] to [B, T, nv*dv].
func (d *DeltaNet) mix(s *mlx.Scope, x *mlx.Array, cache *DeltaCache) *mlx.Array {
	z := d.sizes
	b, t := x.Shape()[0], x.Shape()[1]
	d.begin(s, cache, b)
	parts := split(s, x, z.ConvDim(), z.ValueWidth(), z.ValueHeads)
	mixed := d.convolve(s, parts[0], cache) // [B, T, Cd], float32
	in := d.ruleInputs(s, mixed, parts[2], parts[3])
	o := d.rule(s, in, cache) // [B, T, nv, dv]
	o = d.norm.Apply(s, s.AsType(o, d.compute.Activation()))
	gate := s.AsType(s.Reshape(parts[1], b, t, z.ValueHeads, z.ValueDim), quant.F32)
	o = s.AsType(s.Mul(o, silu(s, gate)), d.compute.Activation())
	return s.Reshape(o, b, t, z.ValueWidth())
}

// begin makes the states of an empty cache, for a batch of b sequences.
func (d *DeltaNet) begin(s *mlx.Scope, cache *DeltaCache, b int) {
	z := d.sizes
	if cache.conv == nil {
		cache.conv = s.Keep(s.Zeros(d.compute.Activation(), b, z.Kernel-1, z.ConvDim()))
	}
	if cache.state == nil {
		cache.state = s.Keep(s.Zeros(d.compute.State, b, z.ValueHeads, z.ValueDim, z.KeyDim))
	}
}

// convolve is silu of the causal depthwise convolution over [state, qkv], in float32:
// c[t] = sum over taps i of in[t+i] * w[i]. The last K-1 rows of the input become the new state.
func (d *DeltaNet) convolve(s *mlx.Scope, qkv *mlx.Array, cache *DeltaCache) *mlx.Array {
	t, k := qkv.Shape()[1], d.sizes.Kernel
	in := s.Concatenate(1, cache.conv, qkv) // [B, K-1+T, Cd]
	replace(s, &cache.conv, s.Contiguous(s.SliceAxis(in, 1, t, t+k-1)))
	if t == 1 {
		return silu(s, s.Sum(s.Mul(in, d.conv.Array), 1, true))
	}
	var c *mlx.Array
	for tap := range k {
		y := s.Mul(s.SliceAxis(in, 1, tap, tap+t), s.SliceAxis(d.conv.Array, 0, tap, tap+1))
		if c == nil {
			c = y
			continue
		}
		c = s.Add(c, y)
	}
	return silu(s, c)
}

// ruleInputs splits the convolution's output and works out decay and beta, all in float32.
func (d *DeltaNet) ruleInputs(s *mlx.Scope, c, b, a *mlx.Array) deltaInputs {
	z := d.sizes
	batch, t := c.Shape()[0], c.Shape()[1]
	parts := split(s, c, 2*z.KeyHeads*z.KeyDim)
	qk := s.Reshape(parts[0], batch, t, 2*z.KeyHeads, z.KeyDim)
	qk = s.Mul(s.RMSNorm(qk, nil, l2Eps/float32(z.KeyDim)), d.scale.Array)
	qAndK := []*mlx.Array{s.SliceAxis(qk, 2, 0, z.KeyHeads), s.SliceAxis(qk, 2, z.KeyHeads, 2*z.KeyHeads)}
	shifted := s.Add(s.AsType(a, quant.F32), d.bias.Array)
	softplus := s.LogAddExp(shifted, s.Scalar(0))
	return deltaInputs{
		q: qAndK[0], k: qAndK[1],
		v:    s.Reshape(parts[1], batch, t, z.ValueHeads, z.ValueDim),
		g:    s.Mul(d.rate.Array, softplus),
		beta: s.Sigmoid(s.AsType(b, quant.F32)),
	}
}

// rule carries the state over the tokens of in, one by one or in chunks.
func (d *DeltaNet) rule(s *mlx.Scope, in deltaInputs, cache *DeltaCache) *mlx.Array {
	state := s.AsType(cache.state, quant.F32)
	in.decay = d.compute.Decay
	var o, decay *mlx.Array
	if in.q.Shape()[1] == 1 {
		o, state, decay = gatedDeltaStep(s, in, state)
	} else {
		o, state, decay = gatedDeltaChunked(s, in, state)
	}
	replace(s, &cache.state, s.AsType(state, d.compute.State))
	replace(s, &cache.decay, decay)
	return o
}
