package layer

import "math"

// DeltaReference is the gated delta rule as it is defined, for one value head, token by token in
// float64. The graphs are tested against it; it is not run otherwise.
type DeltaReference struct {
	KeyDim, ValueDim int
	State            []float64 // [ValueDim, KeyDim], carried from token to token
}

// Step takes one token: its key and query (already normalised), its value, its log decay g <= 0
// and its beta. It returns the output [ValueDim]:
//
//	S = exp(g) S;  d = beta (v - S k);  S = S + d k^T;  o = S q
func (r *DeltaReference) Step(q, k, v []float64, g, beta float64) []float64 {
	decay := math.Exp(g)
	out := make([]float64, r.ValueDim)
	for i := range out {
		row := r.State[i*r.KeyDim : (i+1)*r.KeyDim]
		seen := 0.0
		for j := range row {
			row[j] *= decay
			seen += row[j] * k[j]
		}
		d := beta * (v[i] - seen)
		for j := range row {
			row[j] += d * k[j]
			out[i] += row[j] * q[j]
		}
	}
	return out
}
