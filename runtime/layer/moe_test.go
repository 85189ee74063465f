package layer

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"qimport/quant"
	"qimport/runtime/mlx"
)

// moeParts are stored tensors of a small mixture.
type moeParts struct {
	router, gate, up, down                       *Stored
	sharedGate, sharedUp, sharedDown, sharedOpen *Stored
}

const moeExperts, moeHidden, moeInner, moeTop = 6, 128, 128, 2

func newMoEParts(t *testing.T, f quant.Format) moeParts {
	return moeParts{
		router: random(t, quant.FormatBF16, moeExperts, moeHidden),
		gate:   random(t, f, moeExperts, moeInner, moeHidden),
		up:     random(t, quant.FormatMXFP8, moeExperts, moeInner, moeHidden), // formats may differ
		down:   random(t, f, moeExperts, moeHidden, moeInner),

		sharedGate: random(t, f, moeInner, moeHidden),
		sharedUp:   random(t, f, moeInner, moeHidden),
		sharedDown: random(t, f, moeHidden, moeInner),
		sharedOpen: random(t, quant.FormatBF16, 1, moeHidden),
	}
}

func (p moeParts) layer(c Compute, normalise bool) *MoE {
	open := NewMatrix(p.sharedOpen)
	return NewMoE(c, moeTop, normalise, MoEWeights{
		Router: NewMatrix(p.router), Gate: NewMatrix(p.gate), Up: NewMatrix(p.up), Down: NewMatrix(p.down),
		Shared:     NewMLP(c, NewMatrix(p.sharedGate), NewMatrix(p.sharedUp), NewMatrix(p.sharedDown)),
		SharedGate: &open,
	})
}

// reference is the mixture's definition, for one token.
func (p moeParts) reference(t *testing.T, x []float64, normalise bool) []float64 {
	router := product(x, decoded(t, p.router), moeHidden)
	sum := 0.0
	for i, l := range router {
		router[i] = math.Exp(l)
		sum += router[i]
	}
	order := []int{0, 1, 2, 3, 4, 5}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(router[b], router[a]) })
	if normalise {
		sum = router[order[0]] + router[order[1]]
	}
	y := swiglu64(x, decoded(t, p.sharedGate), decoded(t, p.sharedUp), decoded(t, p.sharedDown))
	open := product(x, decoded(t, p.sharedOpen), moeHidden)[0]
	for i := range y {
		y[i] /= 1 + math.Exp(-open)
	}
	gate, up, down := decoded(t, p.gate), decoded(t, p.up), decoded(t, p.down)
	const size = moeInner * moeHidden
	for _, e := range order[:moeTop] {
		for i, o := range swiglu64(x, gate[e*size:(e+1)*size], up[e*size:(e+1)*size], down[e*size:(e+1)*size]) {
			y[i] += o * router[e] / sum
		}
	}
	return y
}

func swiglu64(x, gate, up, down []float64) []float64 {
	g, u := product(x, gate, moeHidden), product(x, up, moeHidden)
	for i := range g {
		g[i] = g[i] / (1 + math.Exp(-g[i])) * u[i]
	}
	return product(g, down, moeInner)
}

// TestMoE compares all ways to run the experts with the definition: few tokens, which go through
// MLX's products that pick a matrix a row, and many, which go expert by expert or, on a GPU, grouped.
func TestMoE(t *testing.T) {
	thread := startMLX(t)
	for _, f := range []quant.Format{quant.FormatBF16, quant.FormatNVFP4, quant.AffineFormat(4, 64)} {
		parts := newMoEParts(t, f)
		for _, mode := range []Mode{F32, BF16, Quantized} {
			for _, tokens := range []int{1, 5, 40} {
				t.Run(fmt.Sprintf("%s/%s/%d", f, mode, tokens), func(t *testing.T) {
					c, normalise := Compute{Mode: mode, GPU: onGPU(thread)}, tokens != 5
					x := testInput(tokens, moeHidden)
					var want []float64
					for i := range tokens {
						want = append(want, parts.reference(t, wide(x[i*moeHidden:(i+1)*moeHidden]), normalise)...)
					}
					m := parts.layer(c, normalise)
					err := thread.Do(context.Background(), func(s *mlx.Scope) error {
						if err := place(t, s, m); err != nil {
							return err
						}
						got := wide(s.Float32s(m.Forward(s, s.AsType(s.FromFloat32(x, 1, tokens, moeHidden), c.Activation()))))
						_, size := worst(want, make([]float64, len(want)))
						if at, diff := worst(got, want); diff > tolerance(c)*size {
							t.Errorf("element %d is off by %.2g of %.2g", at, diff, size)
						}
						return nil
					})
					if err != nil {
						t.Fatal(err)
					}
				})
			}
		}
	}
}

// TestGroupedExperts holds products that are laid out for a GPU to those of one expert after the other,
// for a choice that a router makes and for one that leaves no room in the places of an expert.
func TestGroupedExperts(t *testing.T) {
	thread := startMLX(t)
	m := newMoEParts(t, quant.FormatNVFP4).layer(Compute{Mode: F32}, true)
	const tokens = 65
	err := thread.Do(context.Background(), func(s *mlx.Scope) error {
		if err := place(t, s, m); err != nil {
			return err
		}
		x := s.FromFloat32(testInput(tokens, moeHidden), tokens, moeHidden)
		routed, _ := m.route(s, x)
		same := make([]int32, tokens*m.topK)
		for i := range same {
			same[i] = int32(i % m.topK)
		}
		chosen := map[string]*mlx.Array{"routed": routed, "same": s.FromInt32(same, tokens, m.topK)}
		few := groupRowsIn(8, same, m.gateUp.count, m.topK)
		if len(few.rest) != m.topK {
			t.Fatalf("%d experts have rows that their places do not hold, want %d", len(few.rest), m.topK)
		}
		if at, diff := worst(wide(s.Float32s(m.runGrouped(s, x, few))), wide(s.Float32s(m.oneByOne(s, x, chosen["same"])))); diff > 1e-3 {
			t.Errorf("with rests: element %d differs by %.2g", at, diff)
		}
		for name, chosen := range chosen {
			grouped, single := wide(s.Float32s(m.grouped(s, x, chosen))), wide(s.Float32s(m.oneByOne(s, x, chosen)))
			if at, diff := worst(grouped, single); diff > 1e-3 {
				t.Errorf("%s: element %d differs by %.2g", name, at, diff)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPlaces looks for the number of places that costs least.
func TestPlaces(t *testing.T) {
	group := func(n int) []int { return make([]int, n) }
	for name, tt := range map[string]struct {
		groups [][]int
		want   int
	}{
		"none":                {[][]int{group(0), group(0)}, 8},
		"alike":               {[][]int{group(60), group(64), group(61)}, 64},
		"one of few chosen":   {[][]int{group(500), group(0), group(0)}, 504},
		"one of many chosen":  {append(make([][]int, 255), group(500)), 8},
		"many of many chosen": {slices.Repeat([][]int{group(0), group(0), group(100)}, 85), 104},
	} {
		if got := placesFor(tt.groups); got != tt.want {
			t.Errorf("%s: %d places, want %d", name, got, tt.want)
		}
	}
}
