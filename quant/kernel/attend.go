package kernel

import "math"

// Attend is one token's look at the keys and values of its sequence: what lies between the projections of an
// attention layer, all in float32. Query head j looks at the keys and values of head j / (Heads/KVHeads).
type Attend struct {
	Heads, KVHeads, HeadDim int
	Turned                  int  // columns of a head that are turned to the position: half-split pairs, the first ones
	Gated                   bool // whether gates follow in rows of X: each output is multiplied by the sigmoid of its own
	Eps                     float32
}

// AttendArrays are what Attend reads and writes, for B sequences of one token each, all at one length.
type AttendArrays struct {
	X                  []float32 // [B, Width]: queries, keys, values, and gates if there are any
	Keys, Values       []float32 // [B, nkv, capacity, D], in which the token's own are added at Length
	QueryNorm, KeyNorm []float32 // [D]
	Turns              []float32 // [Turned]: cosines of the pairs, then their sines
	Length             int       // tokens before; less than the capacity
	Y                  []float32 // [B, nq*D]
}

// Width is that of a row of X.
func (z Attend) Width() int {
	n := z.Heads + 2*z.KVHeads
	if z.Gated {
		n += z.Heads
	}
	return n * z.HeadDim
}

// Run is the definition. Native versions differ from it by rounding only.
func (z Attend) Run(a AttendArrays) {
	rows, d := len(a.X)/z.Width(), z.HeadDim
	capacity, each := len(a.Keys)/(rows*z.KVHeads*d), z.Heads/z.KVHeads
	for b := range rows {
		head := func(h int) []float32 { return a.X[b*z.Width()+h*d:][:d] }
		for h := range z.KVHeads {
			at := (b*z.KVHeads + h) * capacity * d
			keys, values := a.Keys[at:][:(a.Length+1)*d], a.Values[at:][:(a.Length+1)*d]
			copy(keys[a.Length*d:], z.place(head(z.Heads+h), a.KeyNorm, a.Turns))
			copy(values[a.Length*d:], head(z.Heads+z.KVHeads+h))
			for j := h * each; j < (h+1)*each; j++ {
				y := a.Y[(b*z.Heads+j)*d:][:d]
				look(y, z.place(head(j), a.QueryNorm, a.Turns), keys, values)
				if z.Gated {
					Gate(y, y, head(z.Heads+2*z.KVHeads+j))
				}
			}
		}
	}
}

// place is a query or key with its norm, turned to its position.
func (z Attend) place(x, norm, turns []float32) []float32 {
	y := make([]float32, len(x))
	RMSNorm(y, x, norm, z.Eps)
	pairs := z.Turned / 2
	for i := range pairs {
		first, second := y[i], y[pairs+i]
		y[i] = first*turns[i] - second*turns[pairs+i]
		y[pairs+i] = second*turns[i] + first*turns[pairs+i]
	}
	return y
}

// look is softmax(q k^T / sqrt(D)) v.
func look(y, q, keys, values []float32) {
	d := len(q)
	scores, most := make([]float64, len(keys)/d), math.Inf(-1)
	for p := range scores {
		for i, x := range q {
			scores[p] += float64(x) * float64(keys[p*d+i])
		}
		scores[p] /= math.Sqrt(float64(d))
		most = max(most, scores[p])
	}
	sum, o := 0.0, make([]float64, d)
	for p, score := range scores {
		weight := math.Exp(score - most)
		sum += weight
		for i := range o {
			o[i] += weight * float64(values[p*d+i])
		}
	}
	for i := range y {
		y[i] = float32(o[i] / sum)
	}
}
