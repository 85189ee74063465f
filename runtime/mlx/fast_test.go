//go:build cgo

package mlx

import (
	"math"
	"testing"

	"qimport/quant"
)

func TestMatMul(t *testing.T) {
	const m, k, n = 5, 7, 3
	a, b, c := ramp(m*k), normal(k*n), normal(m*n)
	product, sum := make([]float32, m*n), make([]float32, m*n)
	for i := range m {
		for j := range n {
			for l := range k {
				product[i*n+j] += a[i*k+l] * b[l*n+j]
			}
			sum[i*n+j] = 0.5*c[i*n+j] + 2*product[i*n+j]
		}
	}
	onThread(t, func(s *Scope) error {
		x, y, z := s.FromFloat32(a, m, k), s.FromFloat32(b, k, n), s.FromFloat32(c, m, n)
		near(t, "matmul", s.Float32s(s.MatMul(x, y)), product, 1e-5)
		near(t, "addmm", s.Float32s(s.AddMM(z, x, y, 2, 0.5)), sum, 1e-5)
		return nil
	})
}

func TestConv1dByChannel(t *testing.T) {
	const length, channels, kernel = 6, 3, 4
	x, w := ramp(length*channels), normal(channels*kernel)
	want := make([]float32, (length-kernel+1)*channels)
	for i := range length - kernel + 1 {
		for c := range channels {
			for j := range kernel {
				want[i*channels+c] += x[(i+j)*channels+c] * w[c*kernel+j]
			}
		}
	}
	onThread(t, func(s *Scope) error {
		got := s.Conv1d(s.FromFloat32(x, 1, length, channels), s.FromFloat32(w, channels, kernel, 1), 1, 0, 1, channels)
		near(t, "conv1d", s.Float32s(got), want, 1e-5)
		return nil
	})
}

func TestRMSNorm(t *testing.T) {
	const dim, eps = 8, 1e-6
	x, w := ramp(2*dim), normal(dim)
	plain, weighted := make([]float32, len(x)), make([]float32, len(x))
	for r := range 2 {
		sum := 0.0
		for _, v := range x[r*dim : (r+1)*dim] {
			sum += float64(v) * float64(v)
		}
		for i := range dim {
			plain[r*dim+i] = float32(float64(x[r*dim+i]) / math.Sqrt(sum/dim+eps))
			weighted[r*dim+i] = plain[r*dim+i] * w[i]
		}
	}
	onThread(t, func(s *Scope) error {
		a := s.FromFloat32(x, 2, dim)
		near(t, "without weight", s.Float32s(s.RMSNorm(a, nil, eps)), plain, 1e-5)
		near(t, "with weight", s.Float32s(s.RMSNorm(a, s.FromFloat32(w, dim), eps)), weighted, 1e-5)
		return nil
	})
}

// Rotating halves: pairs (i, i+dims/2) turn by position * base^(-2i/dims); the rest stays.
func TestRoPE(t *testing.T) {
	const length, dim, dims, base, offset = 3, 8, 4, 10000.0, 5
	x := ramp(length * dim)
	want := append([]float32(nil), x...)
	freqs := make([]float32, dims/2)
	for i := range freqs {
		freqs[i] = float32(math.Pow(base, 2*float64(i)/dims))
		for p := range length {
			sin, cos := math.Sincos(float64(p+offset) / float64(freqs[i]))
			a, b := float64(x[p*dim+i]), float64(x[p*dim+i+dims/2])
			want[p*dim+i] = float32(a*cos - b*sin)
			want[p*dim+i+dims/2] = float32(b*cos + a*sin)
		}
	}
	onThread(t, func(s *Scope) error {
		a := s.FromFloat32(x, 1, 1, length, dim)
		near(t, "base", s.Float32s(s.RoPE(a, dims, false, base, 1, offset)), want, 1e-5)
		near(t, "wavelengths", s.Float32s(s.RoPEFreqs(a, s.FromFloat32(freqs, dims/2), dims, false, 1, offset)), want, 1e-5)
		return nil
	})
}

// attend is attention as defined, for one query of one head over keys [n, dim].
func attend(q, k, v []float32, dim, n int, scale float64) []float32 {
	scores, total := make([]float64, n), 0.0
	for i := range scores {
		for d := range dim {
			scores[i] += float64(q[d]) * float64(k[i*dim+d])
		}
		scores[i] = math.Exp(scores[i] * scale)
		total += scores[i]
	}
	out := make([]float32, dim)
	for d := range out {
		sum := 0.0
		for i, score := range scores {
			sum += score / total * float64(v[i*dim+d])
		}
		out[d] = float32(sum)
	}
	return out
}

func TestAttention(t *testing.T) {
	const heads, kvHeads, queries, keys, dim, scale = 4, 2, 3, 5, 8, 0.35
	q, k, v := normal(heads*queries*dim), ramp(kvHeads*keys*dim), normal(kvHeads*keys*dim)
	var all, causal []float32
	for h := range heads {
		from := h / (heads / kvHeads) * keys * dim
		for i := range queries {
			row := q[(h*queries+i)*dim:]
			all = append(all, attend(row, k[from:], v[from:], dim, keys, scale)...)
			causal = append(causal, attend(row, k[from:], v[from:], dim, keys-queries+i+1, scale)...)
		}
	}
	onThread(t, func(s *Scope) error {
		x := s.FromFloat32(q, 1, heads, queries, dim)
		y, z := s.FromFloat32(k, 1, kvHeads, keys, dim), s.FromFloat32(v, 1, kvHeads, keys, dim)
		near(t, "no mask", s.Float32s(s.Attention(x, y, z, scale, Mask{})), all, 1e-5)
		near(t, "causal", s.Float32s(s.Attention(x, y, z, scale, Mask{Causal: true})), causal, 1e-5)
		place := s.Reshape(s.Arange(0, queries, 1, quant.I32), queries, 1)
		seen := s.LessEqual(s.Arange(0, keys, 1, quant.I32), s.Add(place, s.FromInt32([]int32{keys - queries}, 1)))
		near(t, "array", s.Float32s(s.Attention(x, y, z, scale, Mask{Array: seen})), causal, 1e-5)
		return nil
	})
}
