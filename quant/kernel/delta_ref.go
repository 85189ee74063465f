package kernel

import "math"

// Run is the definition of a step. Native versions differ from it by rounding only: sums may be taken
// in another order.
func (z DeltaStep) Run(a DeltaArrays) {
	for b := range len(a.X) / z.Width() {
		for h := range z.ValueHeads {
			z.head(a, b, h)
		}
		z.keep(a, b)
	}
}

// head is value head h of sequence b.
func (z DeltaStep) head(a DeltaArrays, b, h int) {
	key, keys, at := h/(z.ValueHeads/z.KeyHeads)*z.KeyDim, z.KeyHeads*z.KeyDim, b*z.ValueHeads+h
	q := unit(z.convolve(a, b, key, z.KeyDim), 1/math.Sqrt(float64(z.KeyDim)))
	k := unit(z.convolve(a, b, keys+key, z.KeyDim), 1)
	v := z.convolve(a, b, 2*keys+h*z.ValueDim, z.ValueDim)

	gate := a.X[b*z.Width()+z.Conv() : (b+1)*z.Width()] // z, then b and a
	tail := gate[z.ValueHeads*z.ValueDim:]
	beta := 1 / (1 + float32(math.Exp(-float64(tail[h]))))
	x := float64(tail[z.ValueHeads+h] + a.Bias[h])
	softplus := max(x, 0) + math.Log1p(math.Exp(-math.Abs(x)))
	a.Decay[at] = float32(math.Exp(float64(a.Rate[h]) * softplus))

	y, size := a.Y[at*z.ValueDim:][:z.ValueDim], z.ValueDim*z.KeyDim
	carry(y, a.State[at*size:][:size], a.NextState[at*size:][:size], q, k, v, a.Decay[at], beta)
	factor := 1 / float32(math.Sqrt(float64(dot32(y, y)/float32(len(y))+z.Eps)))
	for i := range y {
		y[i] *= factor * a.Norm[i] * silu(gate[h*z.ValueDim+i])
	}
}

// convolve is silu of the convolution's channels [from, from+n) of sequence b.
func (z DeltaStep) convolve(a DeltaArrays, b, from, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		for tap := range z.Taps {
			in := a.X[b*z.Width()+from+i]
			if tap < z.Taps-1 {
				in = a.Past[(b*(z.Taps-1)+tap)*z.Conv()+from+i]
			}
			out[i] += in * a.Weight[tap*z.Conv()+from+i]
		}
		out[i] = silu(out[i])
	}
	return out
}

// keep writes the convolution's past of sequence b as it is after the token.
func (z DeltaStep) keep(a DeltaArrays, b int) {
	n, conv := (z.Taps-1)*z.Conv(), z.Conv()
	if n == 0 {
		return
	}
	next := a.Next[b*n:][:n]
	copy(next, a.Past[b*n+conv:(b+1)*n])
	copy(next[n-conv:], a.X[b*z.Width():][:conv])
}

// carry takes a head's state from one token to the next, and writes what it says of the token:
//
//	S = decay S;  d = beta (v - S k);  S = S + d k^T;  o = S q
func carry(o, from, to, q, k, v []float32, decay, beta float32) {
	n := len(k)
	for i := range o {
		row := to[i*n:][:n]
		for j, x := range from[i*n:][:n] {
			row[j] = x * decay
		}
		d := beta * (v[i] - dot32(row, k))
		for j := range row {
			row[j] += d * k[j]
		}
		o[i] = dot32(row, q)
	}
}

// unit gives x the length 1, times scale.
func unit(x []float32, scale float64) []float32 {
	factor := float32(scale / math.Sqrt(float64(dot32(x, x))+1e-6))
	for i := range x {
		x[i] *= factor
	}
	return x
}

func dot32(a, b []float32) float32 {
	sum := float32(0)
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

func silu(x float32) float32 { return x / (1 + float32(math.Exp(-float64(x)))) }
