package kernel

import "math"

// MostExperts is how many experts a router may choose from in Route's C function.
const MostExperts = 4096

// Route writes, for every row of logits [n, experts], which topK experts it goes to, the likeliest first, of
// equals that of the lowest number, and by what weight: the softmax over all experts, over the sum of those
// chosen where normalise asks for it. ids and weights are [n, topK].
func Route(ids []uint32, weights, logits []float32, experts, topK int, normalise bool) {
	for row := range len(logits) / experts {
		p := softmax(logits[row*experts:][:experts])
		sum := 0.0
		for i := range topK {
			at := 0
			for e := range p {
				if p[e] > p[at] {
					at = e
				}
			}
			ids[row*topK+i], weights[row*topK+i] = uint32(at), float32(p[at])
			sum += p[at]
			p[at] = -1
		}
		for i := range topK {
			if normalise {
				weights[row*topK+i] = float32(float64(weights[row*topK+i]) / sum)
			}
		}
	}
}

// softmax is e^x over the sum of all of them.
func softmax(x []float32) []float64 {
	most, sum := math.Inf(-1), 0.0
	for _, v := range x {
		most = max(most, float64(v))
	}
	p := make([]float64, len(x))
	for i, v := range x {
		p[i] = math.Exp(float64(v) - most)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// Combine adds up the outputs y [n, topK, width] of the experts by their weights [n, topK], and, unless it is
// nil, the shared expert's [n, width] by the sigmoid of its gate [n].
func Combine(sum, y, weights, gate, shared []float32, topK int) {
	width := len(y) / len(weights)
	for row := range len(weights) / topK {
		for j := range width {
			all := 0.0
			for i := range topK {
				all += float64(weights[row*topK+i]) * float64(y[(row*topK+i)*width+j])
			}
			if shared != nil {
				all += float64(shared[row*width+j]) / (1 + math.Exp(-float64(gate[row])))
			}
			sum[row*width+j] = float32(all)
		}
	}
}
