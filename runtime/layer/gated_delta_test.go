package layer

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"qimport/quant"
	"qimport/runtime/mlx"
)

// startMLX starts a thread for the CPU, or for the device that QIMPORT_TEST_DEVICE names.
func startMLX(t testing.TB) *mlx.Thread {
	t.Helper()
	device := mlx.CPU
	if name := os.Getenv("QIMPORT_TEST_DEVICE"); name != "" {
		var err error
		if device, err = mlx.ParseDevice(name); err != nil {
			t.Fatal(err)
		}
	}
	thread, err := mlx.Start(device)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		thread.Close()
		if n := mlx.LiveArrays(); n != 0 {
			t.Errorf("%d arrays are still alive", n)
		}
	})
	return thread
}

// deltaCase is a kind of input on which forms of the rule go different ways.
type deltaCase struct {
	name   string
	common float64                       // share of every key that is the same for all tokens
	beta   func(*rand.Rand) float64      // of a token
	g      func(*rand.Rand, int) float64 // log decay of a token
}

var deltaCases = []deltaCase{
	{"typical", 0, (*rand.Rand).Float64, func(r *rand.Rand, _ int) float64 { return -math.Exp(r.NormFloat64() - 2) }},
	{"strong decay", 0, (*rand.Rand).Float64, func(r *rand.Rand, _ int) float64 { return -math.Exp(r.NormFloat64() * 2.5) }},
	{"sudden decay, half-common keys", 0.5, (*rand.Rand).Float64, func(r *rand.Rand, t int) float64 {
		if t%3 == 0 {
			return -100
		}
		return -0.01 * r.Float64()
	}},
	{"slow decay, half-common keys", 0.5, always(0.98), func(r *rand.Rand, _ int) float64 { return -0.002 * r.Float64() }},
	{"no decay, mostly common keys", 0.8, always(0.98), func(*rand.Rand, int) float64 { return 0 }},
	{"no decay, identical keys", 1, always(0.98), func(*rand.Rand, int) float64 { return 0 }},
}

func always(x float64) func(*rand.Rand) float64 { return func(*rand.Rand) float64 { return x } }

var deltaTestSizes = DeltaSizes{KeyHeads: 2, ValueHeads: 4, KeyDim: 32, ValueDim: 48}

// deltaData is T tokens of inputs and a state that is carried in, in the layout of deltaInputs.
type deltaData struct {
	tokens               int
	q, k, v, g, b, state []float32
}

func (c deltaCase) data(tokens int) deltaData {
	z, r := deltaTestSizes, rand.New(rand.NewPCG(1, uint64(tokens)))
	d := deltaData{tokens: tokens}
	shared := make([]float64, z.KeyHeads*z.KeyDim)
	for i := range shared {
		shared[i] = r.NormFloat64()
	}
	for t := range tokens {
		for h := range z.KeyHeads {
			d.q = append(d.q, unit(r, z.KeyDim, nil, 0, 1/math.Sqrt(float64(z.KeyDim)))...)
			d.k = append(d.k, unit(r, z.KeyDim, shared[h*z.KeyDim:], c.common, 1)...)
		}
		for range z.ValueHeads * z.ValueDim {
			d.v = append(d.v, float32(r.NormFloat64()))
		}
		for range z.ValueHeads {
			d.g, d.b = append(d.g, float32(c.g(r, t))), append(d.b, float32(c.beta(r)))
		}
	}
	for range z.ValueHeads * z.ValueDim * z.KeyDim {
		d.state = append(d.state, float32(0.1*r.NormFloat64()))
	}
	return d
}

// unit is a random direction, partly the shared one, of that length.
func unit(r *rand.Rand, n int, shared []float64, common, length float64) []float32 {
	x := make([]float64, n)
	norm := 0.0
	for i := range x {
		x[i] = (1 - common) * r.NormFloat64()
		if common > 0 {
			x[i] += common * shared[i]
		}
		norm += x[i] * x[i]
	}
	out := make([]float32, n)
	for i := range x {
		out[i] = float32(x[i] / math.Sqrt(norm) * length)
	}
	return out
}

// reference runs the definition over all heads.
func (d deltaData) reference() (out, state []float64) {
	z := deltaTestSizes
	nv, dk, dv, r := z.ValueHeads, z.KeyDim, z.ValueDim, z.ValueHeads/z.KeyHeads
	out, state = make([]float64, d.tokens*nv*dv), wide(d.state)
	for h := range nv {
		head := DeltaReference{KeyDim: dk, ValueDim: dv, State: state[h*dv*dk : (h+1)*dv*dk]}
		for t := range d.tokens {
			key, value := (t*z.KeyHeads+h/r)*dk, t*nv+h
			o := head.Step(wide(d.q[key:key+dk]), wide(d.k[key:key+dk]), wide(d.v[value*dv:(value+1)*dv]),
				float64(d.g[value]), float64(d.b[value]))
			copy(out[value*dv:], o)
		}
	}
	return out, state
}

func wide(f []float32) []float64 {
	out := make([]float64, len(f))
	for i, x := range f {
		out[i] = float64(x)
	}
	return out
}

// inputs are the tokens [from, to) as arrays.
func (d deltaData) inputs(s *mlx.Scope, from, to int) deltaInputs {
	z, n := deltaTestSizes, to-from
	part := func(data []float32, shape ...int) *mlx.Array {
		w := quant.Elements(shape)
		return s.FromFloat32(data[from*w:to*w], append([]int{1, n}, shape...)...)
	}
	return deltaInputs{
		q: part(d.q, z.KeyHeads, z.KeyDim), k: part(d.k, z.KeyHeads, z.KeyDim), v: part(d.v, z.ValueHeads, z.ValueDim),
		g: part(d.g, z.ValueHeads), beta: part(d.b, z.ValueHeads), decay: quant.F32,
	}
}

// run puts the tokens through the graphs, in runs of these lengths (the last one repeated), each
// from the state of the one before.
func (d deltaData) run(t *testing.T, thread *mlx.Thread, lengths ...int) (out, state []float64) {
	t.Helper()
	z := deltaTestSizes
	err := thread.Do(context.Background(), func(s *mlx.Scope) error {
		carried := s.FromFloat32(d.state, 1, z.ValueHeads, z.ValueDim, z.KeyDim)
		for at, i := 0, 0; at < d.tokens; i++ {
			n := min(lengths[min(i, len(lengths)-1)], d.tokens-at)
			rule := gatedDeltaChunked
			if n == 1 {
				rule = gatedDeltaStep
			}
			o, next, _ := rule(s, d.inputs(s, at, at+n), carried)
			out = append(out, wide(s.Float32s(o))...)
			if err := s.Eval(next); err != nil {
				return err
			}
			carried, at = next, at+n
		}
		state = wide(s.Float32s(carried))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out, state
}

func worst(a, b []float64) (at int, diff float64) {
	if len(a) != len(b) {
		return -1, math.Inf(1)
	}
	for i := range a {
		switch d := math.Abs(a[i] - b[i]); {
		case math.IsNaN(d):
			return i, math.Inf(1)
		case d > diff:
			at, diff = i, d
		}
	}
	return at, diff
}

// TestGatedDeltaForms holds the chunked form and the one-token form to the float64 definition and to
// each other, from a carried-in state.
func TestGatedDeltaForms(t *testing.T) {
	thread := startMLX(t)
	for _, c := range deltaCases {
		for _, tokens := range []int{1, 2, 3, 31, 33, 63, 64, 65, 127, 512, 2049} {
			if tokens > 512 && testing.Short() {
				continue
			}
			t.Run(fmt.Sprintf("%s/%d", c.name, tokens), func(t *testing.T) {
				d := c.data(tokens)
				wantOut, wantState := d.reference()
				compare := func(name string, out, state []float64) {
					if at, diff := worst(out, wantOut); diff > 1e-5 {
						t.Errorf("%s: output %d differs by %.2g", name, at, diff)
					}
					if at, diff := worst(state, wantState); diff > 1e-4 {
						t.Errorf("%s: state %d differs by %.2g", name, at, diff)
					}
				}
				for name, lengths := range map[string][]int{"chunked": {tokens}, "step by step": {1}, "in pieces": {100, 1, 77, 1}} {
					out, state := d.run(t, thread, lengths...)
					compare(name, out, state)
				}
			})
		}
	}
}
