package layer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"qimport/quant"
	"qimport/runtime/mlx"
)

// tokenData makes numbers for the kernels of single tokens, rounded to the dtype that they have there.
type tokenData struct {
	rng *rand.Rand
	act quant.Dtype
}

func (d tokenData) numbers(n int, dtype quant.Dtype) []float32 {
	f := make([]float32, n)
	for i := range f {
		f[i] = float32(d.rng.NormFloat64())
	}
	b := make([]byte, n*dtype.Size())
	if err := quant.FromFloat32(b, dtype, f); err != nil {
		panic(err)
	}
	if err := quant.ToFloat32(f, b, dtype); err != nil {
		panic(err)
	}
	return f
}

func (d tokenData) compute() Compute {
	c := Compute{Mode: F32, GPU: true, State: quant.F32, Decay: quant.F32}
	if d.act == quant.BF16 {
		c.Mode = BF16
	}
	return c
}

// denseLinear is a map [out, in] of these numbers.
func (d tokenData) denseLinear(s *mlx.Scope, w []float32, out, in int) *Linear {
	c := d.compute()
	p := &Param{Shape: []int{out, in}, Dtype: d.act, Array: s.AsType(s.FromFloat32(w, out, in), d.act)}
	return &Linear{compute: c, weights: []*weight{{compute: c, out: out, dense: p}}}
}

func eachAct(t *testing.T, f func(t *testing.T, d tokenData)) {
	for _, act := range []quant.Dtype{quant.F32, quant.BF16} {
		t.Run(act.String(), func(t *testing.T) { f(t, tokenData{rand.New(rand.NewPCG(7, uint64(act))), act}) })
	}
}

var errNotTaken = errors.New("the kernel does not take it")

// startCUDA is a thread of a GPU that the kernels of single tokens are written for.
func startCUDA(t testing.TB) *mlx.Thread {
	thread, err := mlx.Start(mlx.GPU)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(thread.Close)
	if b := thread.Info().Backend; b != "cuda" {
		t.Skip("there are no such kernels for " + b)
	}
	return thread
}

// TestTokenProductsOnGPU holds products of a single token, with what lies around them, to float64.
func TestTokenProductsOnGPU(t *testing.T) {
	thread := startCUDA(t)
	const eps = 1e-6
	eachAct(t, func(t *testing.T, d tokenData) {
		for _, z := range [][2]int{{8, 8}, {1024, 1024}, {8224, 1024}, {1024, 3584}, {248, 520}, {512, 8192}} {
			out, in := z[0], z[1]
			t.Run(fmt.Sprintf("%dx%d", out, in), func(t *testing.T) {
				x, weight, w := d.numbers(in, quant.F32), d.numbers(in, quant.F32), d.numbers(2*out*in, d.act)
				held, gate, sum := d.numbers(in, d.act), d.numbers(in+8, d.act), d.numbers(out, quant.F32)
				var plain, gated, added, opened []float32
				err := thread.Do(context.Background(), func(s *mlx.Scope) error {
					norm := &Norm{weight: &Param{Dtype: quant.F32, Array: s.FromFloat32(weight, in)}, eps: eps, act: d.act}
					one, two := d.denseLinear(s, w[:out*in], out, in), d.denseLinear(s, w, 2*out, in)
					row := func(f []float32, dtype quant.Dtype) *mlx.Array {
						return s.AsType(s.FromFloat32(f, 1, 1, len(f)), dtype)
					}
					p, g := one.tokenNormed(s, norm, row(x, quant.F32), 1), two.tokenNormed(s, norm, row(x, quant.F32), 2)
					if p == nil || g == nil {
						return errNotTaken
					}
					plain = s.Float32s(s.AsType(p.run(s, normedKernel), quant.F32))
					gated = s.Float32s(s.AsType(g.run(s, normedKernel), quant.F32))
					added = s.Float32s(one.added(s, row(sum, quant.F32), row(held, d.act), nil))
					opened = s.Float32s(one.added(s, row(sum, quant.F32), row(held, d.act), row(gate, d.act)))
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				square := 0.0
				for _, v := range x {
					square += float64(v) * float64(v)
				}
				normal, open := make([]float32, in), make([]float32, in)
				for i := range x {
					normal[i] = float32(float64(x[i]) / math.Sqrt(square/float64(in)+eps) * float64(weight[i]))
					open[i] = float32(float64(held[i]) / (1 + math.Exp(-float64(gate[8+i]))))
				}
				for o := range out {
					first, last := w[o*in:][:in], w[(out+o)*in:][:in]
					a, b := dot64(first, normal), dot64(last, normal)
					allowed := d.allowed(first, normal)*(math.Abs(b)+1)*1.2 + d.allowed(last, normal)*math.Abs(silu64(a)) + math.Abs(silu64(a)*b)/128
					for name, e := range map[string][3]float64{
						"normed":         {float64(plain[o]), a, d.allowed(first, normal)},
						"normed, gated":  {float64(gated[o]), silu64(a) * b, allowed},
						"added":          {float64(added[o]), float64(sum[o]) + dot64(first, held), 1e-5 * (magnitude(first, held) + 1)},
						"added and open": {float64(opened[o]), float64(sum[o]) + dot64(first, open), d.allowed(first, open) + 1e-5},
					} {
						if !(math.Abs(e[0]-e[1]) <= e[2]) {
							t.Fatalf("%s: output %d is %g, want %g within %.2g", name, o, e[0], e[1], e[2])
						}
					}
				}
			})
		}
	})
}

func dot64(w, x []float32) (sum float64) {
	for i, v := range w {
		sum += float64(v) * float64(x[i])
	}
	return sum
}

func magnitude(w, x []float32) (sum float64) {
	for i, v := range w {
		sum += math.Abs(float64(v) * float64(x[i]))
	}
	return sum
}

// allowed is how far a product may be off: as in off.
func (d tokenData) allowed(w, x []float32) float64 {
	if d.act == quant.F32 {
		return 1e-4 * magnitude(w, x)
	}
	squares := 0.0
	for i, v := range w {
		squares += float64(v) * float64(v) * float64(x[i]) * float64(x[i])
	}
	return 0x1p-6 * (math.Abs(dot64(w, x)) + math.Sqrt(squares))
}

// TestTokenAttentionOnGPU holds the attention of a single token to the operations that it replaces.
func TestTokenAttentionOnGPU(t *testing.T) {
	thread := startCUDA(t)
	eachAct(t, func(t *testing.T, d tokenData) {
		for _, c := range []struct{ heads, kv, dim, turned, past int }{
			{8, 2, 256, 64, 0}, {8, 2, 256, 64, 700}, {4, 4, 128, 128, 1}, {16, 2, 128, 32, 255}, {2, 1, 64, 16, 1000},
		} {
			t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
				z := AttentionSizes{Heads: c.heads, KVHeads: c.kv, HeadDim: c.dim}
				width := (2*c.heads + 2*c.kv) * c.dim
				var got, want [3][]float32
				err := thread.Do(context.Background(), func(s *mlx.Scope) error {
					array := func(dtype quant.Dtype, shape ...int) *mlx.Array {
						return s.AsType(s.FromFloat32(d.numbers(quant.Elements(shape), dtype), shape...), dtype)
					}
					norm := func() *Norm {
						return &Norm{weight: &Param{Dtype: quant.F32, Array: array(quant.F32, c.dim)}, eps: 1e-6, act: d.act}
					}
					a := &Attention{sizes: z, gated: true, qNorm: norm(), kNorm: norm(), rope: NewRotary(RoPE{Dims: c.turned, Theta: 1e7})}
					if !a.fuses() {
						return errNotTaken
					}
					y := array(d.act, 1, 1, width)
					caches := [2]Cache{}
					defer caches[0].Free()
					defer caches[1].Free()
					if c.past > 0 {
						k, v := array(d.act, 1, c.kv, c.past, c.dim), array(d.act, 1, c.kv, c.past, c.dim)
						caches[0].KV.Append(s, k, v)
						caches[1].KV.Append(s, k, v)
					}
					at := s.FromInt32([]int32{int32(c.past), int32(c.past) + 1}, 2)
					key, value := a.tokenKeys(s, y, at)
					caches[0].KV.Append(s, key, value)
					seen := a.tokenSees(s, y, caches[0].KV.keys, caches[0].KV.values, at)
					h := a.parts(s, y, func(x *mlx.Array) *mlx.Array { return a.rotate(s, x, &caches[1]) })
					saw := a.attend(s, h, &caches[1])
					for i, pair := range [3][2]*mlx.Array{{key, h.k}, {value, h.v}, {seen, saw}} {
						got[i] = s.Float32s(s.AsType(pair[0], quant.F32))
						want[i] = s.Float32s(s.AsType(s.Contiguous(pair[1]), quant.F32))
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				share := map[quant.Dtype]float64{quant.F32: 1e-4, quant.BF16: 4. / 256}[d.act]
				for i, name := range []string{"key", "value", "seen"} {
					if len(got[i]) != len(want[i]) {
						t.Fatalf("%s has %d numbers, not %d", name, len(got[i]), len(want[i]))
					}
					for j, w := range want[i] {
						if !(math.Abs(float64(got[i][j]-w)) <= share*(math.Abs(float64(w))+1)) {
							t.Fatalf("%s %d is %g, want %g", name, j, got[i][j], w)
						}
					}
				}
			})
		}
	})
}
