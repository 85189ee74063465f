package layer

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"qimport/quant"
	"qimport/runtime/mlx"
)

// startGPU is startMLX for the GPU.
func startGPU(t testing.TB) *mlx.Thread {
	t.Helper()
	thread, err := mlx.Start(mlx.GPU)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(thread.Close)
	return thread
}

// mixData is what lies between the projections of a Gated DeltaNet layer: T tokens of their output,
// the states before, and the layer's own arrays, all float32 but rounded to act where they are act.
type mixData struct {
	sizes                    DeltaSizes
	act                      quant.Dtype
	batch, tokens            int
	x, past, state           []float32 // [B, T, Cd + nv*dv + 2*nv], [B, K-1, Cd], [B, nv, dv, dk]
	taps, rate, bias, weight []float32 // [K, Cd], [nv], [nv], [dv]
}

const mixEps = 1e-6

// mixed makes inputs from which the layer works out such keys, decays and betas as the case wants.
func (c deltaCase) mixed(z DeltaSizes, act quant.Dtype, batch, tokens int) mixData {
	r := rand.New(rand.NewPCG(2, uint64(tokens)))
	normal := func(n int) []float32 {
		f := make([]float32, n)
		for i := range f {
			f[i] = float32(r.NormFloat64())
		}
		return f
	}
	d := mixData{sizes: z, act: act, batch: batch, tokens: tokens,
		past: normal(batch * (z.Kernel - 1) * z.ConvDim()), state: normal(batch * z.ValueHeads * z.ValueDim * z.KeyDim),
		taps: normal(z.Kernel * z.ConvDim()), bias: normal(z.ValueHeads), weight: normal(z.ValueDim)}
	for range z.ValueHeads {
		d.rate = append(d.rate, -float32(math.Exp(r.NormFloat64())))
	}
	common, keys := normal(z.ConvDim()), z.KeyHeads*z.KeyDim
	for row := range batch * tokens {
		qkvz := normal(z.ConvDim() + z.ValueWidth())
		for ch := keys; ch < 2*keys; ch++ {
			qkvz[ch] = float32(c.common)*common[ch] + float32(1-c.common)*qkvz[ch]
		}
		d.x = append(d.x, qkvz...)
		for range z.ValueHeads {
			p := min(max(c.beta(r), 1e-3), 1-1e-3)
			d.x = append(d.x, float32(math.Log(p/(1-p)))) // whose sigmoid is beta
		}
		for h := range z.ValueHeads {
			y := math.Log(math.Expm1(max(c.g(r, row%tokens)/float64(d.rate[h]), 1e-30))) // whose softplus is g/rate
			d.x = append(d.x, float32(min(y, 1e4))-d.bias[h])
		}
	}
	for _, f := range [][]float32{d.x, d.past} {
		b := make([]byte, len(f)*act.Size())
		if err := quant.FromFloat32(b, act, f); err != nil {
			panic(err)
		}
		if err := quant.ToFloat32(f, b, act); err != nil {
			panic(err)
		}
	}
	return d
}

// reference is y [B, T, nv*dv] and the state after, by the definitions in float64.
func (d mixData) reference() (y, state []float64) {
	z := d.sizes
	nv, dv, width := z.ValueHeads, z.ValueDim, z.ConvDim()+z.ValueWidth()+2*z.ValueHeads
	y, state = make([]float64, d.batch*d.tokens*nv*dv), wide(d.state)
	for seq := range d.batch {
		rows := append(wide(d.past[seq*(z.Kernel-1)*z.ConvDim():][:(z.Kernel-1)*z.ConvDim()]), make([]float64, d.tokens*z.ConvDim())...)
		for t := range d.tokens {
			copy(rows[(z.Kernel-1+t)*z.ConvDim():][:z.ConvDim()], wide(d.x[(seq*d.tokens+t)*width:][:z.ConvDim()]))
		}
		for h := range nv {
			head := DeltaReference{KeyDim: z.KeyDim, ValueDim: dv, State: state[(seq*nv+h)*dv*z.KeyDim:][:dv*z.KeyDim]}
			for t := range d.tokens {
				gates := wide(d.x[(seq*d.tokens+t)*width+z.ConvDim():][:z.ValueWidth()+2*nv])
				q, k, v := d.convolved(rows[t*z.ConvDim():], h)
				g := float64(d.rate[h]) * math.Log1p(math.Exp(gates[nv*dv+nv+h]+float64(d.bias[h])))
				if a := gates[nv*dv+nv+h] + float64(d.bias[h]); a > 30 { // softplus(a) = a
					g = float64(d.rate[h]) * a
				}
				o := head.Step(q, k, v, g, 1/(1+math.Exp(-gates[nv*dv+h])))
				d.normed(y[((seq*d.tokens+t)*nv+h)*dv:][:dv], o, gates[h*dv:])
			}
		}
	}
	return y, state
}

// convolved is the query, key and value of value head h, rows being the K rows of input up to its token.
func (d mixData) convolved(rows []float64, h int) (q, k, v []float64) {
	z := d.sizes
	channels := func(from, n int) []float64 {
		out := make([]float64, n)
		for i := range out {
			for tap := range z.Kernel {
				at := tap*z.ConvDim() + from + i
				out[i] += rows[at] * float64(d.taps[at])
			}
			out[i] = silu64(out[i])
		}
		return out
	}
	unitLength := func(x []float64, length float64) []float64 {
		sum := l2Eps
		for _, e := range x {
			sum += e * e
		}
		for i := range x {
			x[i] *= length / math.Sqrt(sum)
		}
		return x
	}
	key, keys := h/(z.ValueHeads/z.KeyHeads)*z.KeyDim, z.KeyHeads*z.KeyDim
	return unitLength(channels(key, z.KeyDim), 1/math.Sqrt(float64(z.KeyDim))), unitLength(channels(keys+key, z.KeyDim), 1),
		channels(2*keys+h*z.ValueDim, z.ValueDim)
}

// normed writes the gated norm of a head's output.
func (d mixData) normed(dst, o, gate []float64) {
	mean := 0.0
	for _, e := range o {
		mean += e * e / float64(len(o))
	}
	for i := range dst {
		dst[i] = o[i] / math.Sqrt(mean+mixEps) * float64(d.weight[i]) * silu64(gate[i])
	}
}

func silu64(x float64) float64 { return x / (1 + math.Exp(-x)) }

// layer is a DeltaNet with the data's arrays and no projections.
func (d mixData) layer(s *mlx.Scope, c Compute) *DeltaNet {
	z := d.sizes
	param := func(f []float32, shape ...int) *Param { return &Param{Array: s.FromFloat32(f, shape...)} }
	scale := make([]float32, 2*z.KeyHeads)
	z.fillScale(scale)
	return &DeltaNet{sizes: z, compute: c, conv: param(d.taps, z.Kernel, z.ConvDim()), rate: param(d.rate, z.ValueHeads),
		bias: param(d.bias, z.ValueHeads), scale: param(scale, len(scale), 1),
		norm: &Norm{weight: param(d.weight, z.ValueDim), eps: mixEps, act: c.Activation()}}
}

// run puts the tokens through one form of the layer, so many at a time. It returns y, the state and
// the convolution's past after the last of them, with the dtypes that the cache's arrays have.
func (d mixData) run(t *testing.T, thread *mlx.Thread, fused bool, step int) (y, state, past []float64, cache [3]quant.Dtype) {
	t.Helper()
	z := d.sizes
	compute := Compute{Mode: F32, GPU: fused, State: quant.F32, Decay: quant.F32}
	if d.act == quant.BF16 {
		compute.Mode = BF16
	}
	var pieces [][]float64
	err := thread.Do(context.Background(), func(s *mlx.Scope) error {
		layer := d.layer(s, compute)
		mix := layer.mix
		if fused {
			mix = layer.fused
		}
		x := s.AsType(s.FromFloat32(d.x, d.batch, d.tokens, len(d.x)/d.batch/d.tokens), d.act)
		c := Cache{Delta: DeltaCache{
			conv:  s.Keep(s.AsType(s.FromFloat32(d.past, d.batch, z.Kernel-1, z.ConvDim()), d.act)),
			state: s.Keep(s.FromFloat32(d.state, d.batch, z.ValueHeads, z.ValueDim, z.KeyDim))}}
		defer c.Free()
		for at := 0; at < d.tokens; at += step {
			piece := mix(s, s.SliceAxis(x, 1, at, min(at+step, d.tokens)), &c.Delta)
			if err := s.Eval(append(c.Live(), piece)...); err != nil {
				return err
			}
			pieces = append(pieces, wide(s.Float32s(piece)))
		}
		state, past = wide(s.Float32s(c.Delta.state)), wide(s.Float32s(c.Delta.conv))
		cache[0], cache[1], cache[2], _ = c.Precision()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return d.join(pieces, step), state, past, cache
}

// join puts pieces [B, step, nv*dv] together along the tokens.
func (d mixData) join(pieces [][]float64, step int) []float64 {
	width := d.sizes.ValueWidth()
	var y []float64
	for seq := range d.batch {
		for i, p := range pieces {
			n := min(step, d.tokens-i*step) * width
			y = append(y, p[seq*n:(seq+1)*n]...)
		}
	}
	return y
}

// check holds one form to the definition: float32 inside, whatever the dtype around it. In bf16 the
// kernel rounds y once, and the operations round three times on the way to it.
func (d mixData) check(t *testing.T, thread *mlx.Thread, fused bool, step int) {
	t.Helper()
	wantY, wantState := d.reference()
	y, state, past, cache := d.run(t, thread, fused, step)
	share := map[bool]float64{false: 3.1 / 256, true: 1.01 / 256}[fused] // of y: 8 bits of it are kept
	if d.act == quant.F32 {
		share = 0
	}
	for i, want := range wantY {
		if diff := math.Abs(y[i] - want); !(diff <= 1e-4+share*math.Abs(want)) {
			t.Errorf("%d at a time: y %d is %g, want %g", step, i, y[i], want)
			break
		}
	}
	if at, diff := worst(state, wantState); diff > 1e-4 {
		t.Errorf("%d at a time: state %d differs by %.2g", step, at, diff)
	}
	d.checkPast(t, past)
	if want := [3]quant.Dtype{quant.F32, quant.F32, d.act}; cache != want {
		t.Errorf("%d at a time: state, decay and past are %v, want %v", step, cache, want)
	}
}

// checkPast demands that the convolution's past is the last of its inputs, unchanged.
func (d mixData) checkPast(t *testing.T, past []float64) {
	t.Helper()
	z := d.sizes
	width := len(d.x) / d.batch / d.tokens
	for seq := range d.batch {
		for at := range z.Kernel - 1 {
			want := d.past[(seq*(z.Kernel-1)+min(at+d.tokens, z.Kernel-2))*z.ConvDim():]
			if row := at + d.tokens - (z.Kernel - 1); row >= 0 {
				want = d.x[(seq*d.tokens+row)*width:]
			}
			got := past[(seq*(z.Kernel-1)+at)*z.ConvDim():][:z.ConvDim()]
			if i, diff := worst(got, wide(want[:z.ConvDim()])); diff != 0 {
				t.Errorf("past [%d, %d, %d] is not the input", seq, at, i)
			}
		}
	}
}

// eachMix runs f for every kind of input, over head sizes that fill a warp's lanes and that do not,
// with and without value heads that share a key, in float32 and bf16.
func eachMix(t *testing.T, tokens []int, f func(*testing.T, mixData)) {
	for _, z := range []DeltaSizes{
		{KeyHeads: 2, ValueHeads: 4, KeyDim: 32, ValueDim: 48, Kernel: 4},
		{KeyHeads: 3, ValueHeads: 3, KeyDim: 24, ValueDim: 20, Kernel: 3},
		{KeyHeads: 2, ValueHeads: 4, KeyDim: 128, ValueDim: 128, Kernel: 4},
	} {
		for _, c := range deltaCases {
			for _, act := range []quant.Dtype{quant.F32, quant.BF16} {
				for _, n := range tokens {
					t.Run(fmt.Sprintf("%d of %dx%d/%s/%s/%d", z.ValueHeads, z.ValueDim, z.KeyDim, c.name, act, n), func(t *testing.T) {
						f(t, c.mixed(z, act, 2, n))
					})
				}
			}
		}
	}
}

// TestMix holds the layer's operations to the definition on the CPU.
func TestMix(t *testing.T) {
	thread := startMLX(t)
	eachMix(t, []int{1, 5, 70}, func(t *testing.T, d mixData) {
		d.check(t, thread, false, d.tokens)
		if d.tokens < 10 {
			d.check(t, thread, false, 1)
		}
	})
}

// TestMixOnGPU holds both forms to it on the GPU: the operations, and the kernel.
func TestMixOnGPU(t *testing.T) {
	thread := startGPU(t)
	eachMix(t, []int{1, 2, 5, 70, 200}, func(t *testing.T, d mixData) {
		d.check(t, thread, false, d.tokens)
		for _, step := range []int{1, 3, d.tokens} {
			d.check(t, thread, true, step)
		}
	})
}

// BenchmarkMix is the layer's middle by form and number of tokens, at the sizes of a 0.8B model.
func BenchmarkMix(b *testing.B) {
	z := DeltaSizes{KeyHeads: 16, ValueHeads: 16, KeyDim: 128, ValueDim: 128, Kernel: 4}
	thread := startGPU(b)
	for _, tokens := range []int{1, 4, 16, 32, 64, 128, 256, 1024} {
		for _, fused := range []bool{false, true} {
			b.Run(fmt.Sprintf("%d tokens/fused=%t", tokens, fused), func(b *testing.B) {
				d := deltaCases[0].mixed(z, quant.BF16, 1, tokens)
				err := thread.Do(b.Context(), func(s *mlx.Scope) error {
					return d.time(s, b, fused)
				})
				if err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

// time runs the layer as often as b asks, in graphs of eight runs, and reports the time of one.
func (d mixData) time(s *mlx.Scope, b *testing.B, fused bool) error {
	const runs = 8
	layer := d.layer(s, Compute{Mode: BF16, GPU: true, State: quant.F32, Decay: quant.F32})
	mix := layer.mix
	if fused {
		mix = layer.fused
	}
	x := s.AsType(s.FromFloat32(d.x, d.batch, d.tokens, len(d.x)/d.batch/d.tokens), d.act)
	var c Cache
	defer c.Free()
	once := func() error {
		return s.Nested(func(s *mlx.Scope) error {
			var ys []*mlx.Array
			for range runs {
				ys = append(ys, mix(s, x, &c.Delta))
			}
			return s.Eval(append(c.Live(), ys...)...)
		})
	}
	if err := once(); err != nil { // compiles
		return err
	}
	for b.Loop() {
		if err := once(); err != nil {
			return err
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e6/float64(b.N*runs), "µs/layer")
	return nil
}
