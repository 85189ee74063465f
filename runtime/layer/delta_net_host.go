package layer

import (
	"math"

	"qimport/quant"
	"qimport/runtime/mlx"
)

// mixesOnHost says whether mixOnHost stands in for mix. It rounds no decay, as one ablation does.
func (d *DeltaNet) mixesOnHost(tokens int) bool {
	return d.compute.onHost(tokens) && d.compute.Decay == quant.F32 && mlx.HasProduct()
}

// mixOnHost is mix computed by this file, in float32, on all cores.
func (d *DeltaNet) mixOnHost(s *mlx.Scope, x *mlx.Array, cache *DeltaCache) *mlx.Array {
	z := d.sizes
	b, t := x.Shape()[0], x.Shape()[1]
	d.begin(s, cache, b)
	rows := deltaRows{sizes: z, tokens: t, width: x.Shape()[2], x: s.Lend(x), taps: s.Lend(d.conv.Array),
		past: s.Lend(cache.conv), rate: s.Lend(d.rate.Array), bias: s.Lend(d.bias.Array)}
	rule := rows.rule(b)
	rule.state = s.Float32s(cache.state)
	replace(s, &cache.conv, s.AsType(s.FromFloat32(rows.last(b), cache.conv.Shape()...), d.compute.Activation()))
	o := make([]float32, b*t*z.ValueWidth())
	rule.run(o)
	replace(s, &cache.state, s.AsType(s.FromFloat32(rule.state, cache.state.Shape()...), d.compute.State))
	replace(s, &cache.decay, s.FromFloat32(rule.decay, b, z.ValueHeads))
	weight := s.Lend(d.norm.weight.Array)
	y := hostArray(s, func(dst []float32) { rows.gate(dst, o, weight, d.norm.eps) }, b, t, z.ValueWidth())
	return s.AsType(y, d.compute.Activation())
}

// deltaRows is the output of the input projections, [B*T, width] with rows of queries, keys, values,
// z, b and a, and what else the functions on it take.
type deltaRows struct {
	sizes         DeltaSizes
	tokens, width int
	x             []float32
	past          []float32 // [B, K-1, Cd]: the rows before the first
	taps          []float32 // [K, Cd]
	rate, bias    []float32 // [nv]
}

// rule is the convolution with its silu, the l2 norms, decay and beta of b sequences: what the rule
// takes, but the state.
func (r deltaRows) rule(b int) deltaRule {
	z, n := r.sizes, b*r.tokens
	keys, values, heads := z.KeyHeads*z.KeyDim, z.ValueWidth(), z.ValueHeads
	room := func(width int) []float32 { return make([]float32, n*width) }
	in := deltaRule{sizes: z, tokens: r.tokens, q: room(keys), k: room(keys), v: room(values),
		g: room(heads), beta: room(heads), decay: make([]float32, b*heads)}
	parallel(n, func(from, to int) {
		mixed := make([]float32, z.ConvDim())
		for row := from; row < to; row++ {
			r.convolve(mixed, row)
			z.normalise(in.q[row*keys:][:keys], mixed[:keys], 1/math.Sqrt(float64(z.KeyDim)))
			z.normalise(in.k[row*keys:][:keys], mixed[keys:2*keys], 1)
			copy(in.v[row*values:][:values], mixed[2*keys:])
			r.gates(in.g[row*heads:][:heads], in.beta[row*heads:][:heads], row)
		}
	})
	return in
}

// convolve writes silu of the convolution at one row.
func (r deltaRows) convolve(dst []float32, row int) {
	clear(dst)
	n, last := len(dst), r.sizes.Kernel-1
	for tap := range r.sizes.Kernel {
		in := r.before(row, last-tap)
		w := r.taps[tap*n:][:n]
		for i := range dst {
			dst[i] += in[i] * w[i]
		}
	}
	for i, y := range dst {
		dst[i] = silu32(y)
	}
}

// before is the convolution's input that lies n tokens before that row of its sequence.
func (r deltaRows) before(row, n int) []float32 {
	cd := r.sizes.ConvDim()
	if at := row%r.tokens - n; at < 0 {
		kept := r.sizes.Kernel - 1
		return r.past[(row/r.tokens*kept+kept+at)*cd:][:cd]
	}
	return r.x[(row-n)*r.width:][:cd]
}

// last is the convolution's input at the last K-1 tokens of b sequences, [B, K-1, Cd].
func (r deltaRows) last(b int) []float32 {
	var out []float32
	for sequence := range b {
		for n := r.sizes.Kernel - 2; n >= 0; n-- {
			out = append(out, r.before((sequence+1)*r.tokens-1, n)...)
		}
	}
	return out
}

// normalise gives each key head the length 1, times scale.
func (z DeltaSizes) normalise(dst, x []float32, scale float64) {
	for at := 0; at < len(x); at += z.KeyDim {
		head := x[at:][:z.KeyDim]
		factor := float32(scale / math.Sqrt(squares(head)+l2Eps))
		for i, y := range head {
			dst[at+i] = y * factor
		}
	}
}

// squares is the sum of the squares.
func squares(x []float32) float64 {
	sum := 0.0
	for _, y := range x {
		sum += float64(y) * float64(y)
	}
	return sum
}

// gates writes the log decay -exp(A_log) softplus(a + dt_bias) and beta = sigmoid(b) of one row.
func (r deltaRows) gates(g, beta []float32, row int) {
	nv := len(g)
	tail := r.x[(row+1)*r.width-2*nv : (row+1)*r.width] // b, then a
	for h := range nv {
		y := float64(tail[nv+h] + r.bias[h])
		softplus := max(y, 0) + math.Log1p(math.Exp(-math.Abs(y)))
		g[h] = r.rate[h] * float32(softplus)
		beta[h] = float32(1 / (1 + math.Exp(-float64(tail[h]))))
	}
}

// gate writes the RMS norm of o [B*T, nv, dv] times silu(z).
func (r deltaRows) gate(dst, o, weight []float32, eps float32) {
	z, width := r.sizes, r.sizes.ValueWidth()
	parallel(len(dst)/width, func(from, to int) {
		for row := from; row < to; row++ {
			gates := r.x[row*r.width+z.ConvDim():][:width]
			for h := 0; h < width; h += z.ValueDim {
				head, out := o[row*width+h:][:z.ValueDim], dst[row*width+h:][:z.ValueDim]
				factor := float32(1 / math.Sqrt(squares(head)/float64(z.ValueDim)+float64(eps)))
				for i, y := range head {
					out[i] = y * factor * weight[i] * silu32(gates[h+i])
				}
			}
		}
	})
}
