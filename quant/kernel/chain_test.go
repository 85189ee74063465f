//go:build cgo && (amd64 || arm64) && !windows

package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

// TestChain: functions one after the other, with values that are used twice, seen and not seen, several rows,
// and settings, give what the same functions give that are called one by one.
func TestChain(t *testing.T) {
	const width, inner = 48, 20
	rng := rand.New(rand.NewPCG(3, 4))
	weight := normal(rng, width)
	m := NewMatrix(width, [][]Rows{{plainRows(rng, 2*inner, width)}})
	defer m.Close()
	c, x := NewChain(width)
	defer c.Close()
	w := c.Input()
	normed := c.Call(NormEntry(), nil, []int{width}, x, w, c.Settings(ActivationSizes(width, 1e-6)))
	f, argument := m.Entry(EntryMultiply)
	both := c.Call(f, argument, []int{2 * inner}, normed[0])
	glu := c.Call(SwiGLUEntry(), nil, []int{inner}, both[0], c.Settings(ActivationSizes(inner, 0)))
	sum := c.Call(AddEntry(), nil, []int{width}, x, normed[0])
	c.Open(glu[0], sum[0])
	for _, rows := range []int{1, 3, 20} {
		in := normal(rng, rows*width)
		want, added := make([]float32, rows*inner), make([]float32, rows*width)
		y, z := make([]float32, rows*width), make([]float32, rows*2*inner)
		callActivation(false, y, ActivationSizes(width, 1e-6), in, weight)
		m.Multiply(z, y)
		callActivation(true, want, ActivationSizes(inner, 0), z)
		for i := range added {
			added[i] = in[i] + y[i]
		}
		got, gotSum := make([]float32, len(want)), make([]float32, len(added))
		c.run([][]float32{got, gotSum}, in, weight)
		if !slices.Equal(got, want) || !slices.Equal(gotSum, added) {
			t.Errorf("%d rows: not what its functions give one by one", rows)
		}
	}
}

func plainRows(rng *rand.Rand, out, in int) Rows {
	all := normal(rng, out*in)
	return Rows{N: out, Layout: Plain, Elem: F32, Global: 1, Data: unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(all))), 4*len(all))}
}

// TestChainRefuses what would be read or written outside of it.
func TestChainRefuses(t *testing.T) {
	for name, f := range map[string]func(c *Chain, x Value){
		"no function":           func(c *Chain, x Value) { c.Call(nil, nil, []int{1}, x) },
		"an input as an output": func(c *Chain, x Value) { c.Open(x) },
		"too many inputs":       func(c *Chain, x Value) { c.Call(AddEntry(), nil, []int{1}, slices.Repeat([]Value{x}, mostInputs+1)...) },
		"too many values": func(c *Chain, x Value) {
			for range mostValues + 1 {
				c.Call(AddEntry(), nil, []int{1}, x, x)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("was taken")
				}
			}()
			f(NewChain(4))
		})
	}
}

// TestRoute holds the C functions around experts to their definitions, with logits that are equal, far apart,
// and as they come.
func TestRoute(t *testing.T) {
	const experts, topK, width, rows = 60, 6, 33, 37
	rng := rand.New(rand.NewPCG(5, 6))
	logits := normal(rng, rows*experts)
	clear(logits[:experts])
	logits[experts+3], logits[2*experts+5] = 80, -80
	for _, normalise := range []bool{false, true} {
		ids, weights := make([]uint32, rows*topK), make([]float32, rows*topK)
		Route(ids, weights, logits, experts, topK, normalise)
		c, x := NewChain(experts)
		made := c.Call(RouteEntry(), nil, []int{topK, topK}, x, c.Settings(RouteSizes(experts, topK, normalise)))
		c.Open(made...)
		gotIDs, gotWeights := make([]float32, len(ids)), make([]float32, len(weights))
		c.run([][]float32{gotIDs, gotWeights}, logits)
		c.Close()
		for i, id := range ids {
			if got := math.Float32bits(gotIDs[i]); got != id || math.Abs(float64(gotWeights[i]-weights[i])) > 1e-6*float64(weights[i])+1e-30 {
				t.Fatalf("normalise %t: place %d is expert %d by %g, want %d by %g", normalise, i, got, gotWeights[i], id, weights[i])
			}
		}
		combined(t, rng, weights, topK, width)
	}
}

func combined(t *testing.T, rng *rand.Rand, weights []float32, topK, width int) {
	t.Helper()
	rows := len(weights) / topK
	y, gate, shared := normal(rng, len(weights)*width), normal(rng, rows), normal(rng, rows*width)
	want, got := make([]float32, rows*width), make([]float32, rows*width)
	for _, all := range []bool{false, true} {
		c, in := NewChain(topK * width)
		inputs, entry := []Value{in, c.Input(), c.Settings(RouteSizes(0, topK, false)[1:])}, CombineEntry()
		arrays := [][]float32{y, weights}
		if all {
			inputs, entry = append(inputs, c.Input(), c.Input()), CombineAllEntry()
			arrays = append(arrays, gate, shared)
			Combine(want, y, weights, gate, shared, topK)
		} else {
			Combine(want, y, weights, nil, nil, topK)
		}
		c.Open(c.Call(entry, nil, []int{width}, inputs...)...)
		c.run([][]float32{got}, arrays...)
		c.Close()
		nearActivation(t, "combined", got, want)
	}
}

// TestGate holds the C function of every instruction set to the definition.
func TestGate(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for _, width := range []int{1, 5, 128, 9000} {
		x, gate := normal(rng, 3*width), normal(rng, 3*width)
		gate[0], gate[len(gate)-1] = -200, 200
		want, got := make([]float32, len(x)), make([]float32, len(x))
		Gate(want, x, gate)
		for _, set := range native() {
			settings := ActivationSizes(width, 0)
			settings[2] = int32(set.isa)
			c, in := NewChain(width)
			c.Open(c.Call(GateEntry(), nil, []int{width}, in, c.Input(), c.Settings(settings))...)
			c.run([][]float32{got}, x, gate)
			c.Close()
			nearActivation(t, set.Name+" gate", got, want)
		}
	}
}
