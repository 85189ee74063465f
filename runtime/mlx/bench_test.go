//go:build cgo

package mlx

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"qimport/quant"
)

// BenchmarkMatMul says, by its GFLOP/s, which BLAS multiplies: on two cores of 2023 the reference
// BLAS reaches 4, OpenBLAS over 100.
func BenchmarkMatMul(b *testing.B) {
	const n = 4096
	for _, rows := range []int{1, 64, 512} {
		for _, dtype := range []quant.Dtype{quant.F32, quant.BF16} {
			b.Run(fmt.Sprintf("%s/rows=%d", dtype, rows), func(b *testing.B) {
				benchmark(b, 2*n*n*rows, func(s *Scope) func() *Array {
					w, x := s.Full(0.5, dtype, n, n), s.Full(0.25, dtype, rows, n)
					s.Eval(w, x)
					return func() *Array { return s.MatMul(x, s.Transpose(w)) }
				})
			})
		}
	}
}

// BenchmarkQuantizedMatMul is one row, as in decoding, by formats.
func BenchmarkQuantizedMatMul(b *testing.B) {
	const n = 2048
	for _, f := range []quant.Format{quant.FormatNVFP4, quant.FormatMXFP8, quant.FormatInt4} {
		b.Run(f.String(), func(b *testing.B) {
			benchmark(b, 2*n*n, func(s *Scope) func() *Array {
				w := s.Quantize(s.Full(0.5, quant.BF16, n, n), f)
				x := s.Full(0.25, quant.F32, 1, n)
				s.Eval(w.Weight, w.Scales, x)
				return func() *Array { return s.QuantizedMatMul(x, w, true) }
			})
		})
	}
}

// BenchmarkOp is the cost of building one node of a graph.
func BenchmarkOp(b *testing.B) {
	th := start(b)
	err := th.Do(b.Context(), func(s *Scope) error {
		x := s.Full(1, quant.F32, 8)
		for b.Loop() {
			s.Add(x, x).Free()
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkGraph is the cost of one small operation in a graph of many: to build it, to hand it to the
// device, and in all. MLX's own, those of a decoding step, and on a GPU a kernel's.
func BenchmarkGraph(b *testing.B) {
	const nodes = 200
	type step func(s *Scope, x *Array) *Array
	for _, way := range []struct {
		name  string
		gpu   bool
		shape []int
		make  func(s *Scope) step
	}{
		{"add", false, []int{1, 1024}, func(s *Scope) step {
			one := s.Full(1, quant.BF16, 1024)
			return func(s *Scope, x *Array) *Array { return s.Add(x, one) }
		}},
		{"kernel", true, []int{1024}, func(s *Scope) step {
			one := s.Full(1, quant.BF16, 1024)
			return func(s *Scope, x *Array) *Array { return addScaled.addScaled(s, x, one, 1) }
		}},
		{"slice", false, []int{1, 1024}, func(s *Scope) step {
			return func(s *Scope, x *Array) *Array { return s.Slice(x, []int{0, 0}, []int{1, 1024}, nil) }
		}},
		{"convert", false, []int{1, 1024}, func(s *Scope) step {
			return func(s *Scope, x *Array) *Array { // two nodes
				return s.AsType(s.AsType(x, quant.F32), quant.BF16)
			}
		}},
		{"norm", false, []int{1, 1024}, func(s *Scope) step {
			w := s.Full(1, quant.BF16, 1024)
			return func(s *Scope, x *Array) *Array { return s.RMSNorm(x, w, 1e-6) }
		}},
		{"vector", false, []int{1, 1024}, func(s *Scope) step {
			w := s.Full(0.001, quant.BF16, 1024, 1024)
			return func(s *Scope, x *Array) *Array { return s.MatMul(x, s.Transpose(w)) }
		}},
		{"vector32", false, []int{1, 1024}, func(s *Scope) step {
			w := s.Full(0.001, quant.F32, 1024, 1024)
			return func(s *Scope, x *Array) *Array { return s.MatMul(x, s.Transpose(w)) }
		}},
		{"attention128", true, []int{1, 8, 1, 128}, func(s *Scope) step {
			k := s.Full(0.001, quant.BF16, 1, 2, 256, 128)
			return func(s *Scope, x *Array) *Array { return s.Attention(x, k, k, 0.1, Mask{}) }
		}},
		{"attention256", true, []int{1, 8, 1, 256}, func(s *Scope) step {
			k := s.Full(0.001, quant.BF16, 1, 2, 256, 256)
			return func(s *Scope, x *Array) *Array { return s.Attention(x, k, k, 0.1, Mask{}) }
		}},
	} {
		b.Run(way.name, func(b *testing.B) {
			th := start(b)
			if way.gpu && th.Info().Device != GPU {
				b.Skip("of a GPU")
			}
			var build, hand time.Duration
			err := th.Do(b.Context(), func(s *Scope) error {
				one := s.Full(1, quant.BF16, way.shape...)
				apply := way.make(s)
				if err := s.Eval(one, apply(s, one)); err != nil {
					return err
				}
				for b.Loop() {
					err := s.Nested(func(s *Scope) error {
						x := one
						begin := time.Now()
						for range nodes {
							x = apply(s, x)
						}
						build += time.Since(begin)
						begin = time.Now()
						if err := s.AsyncEval(x); err != nil {
							return err
						}
						hand += time.Since(begin)
						return s.Eval(x)
					})
					if err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			for name, d := range map[string]time.Duration{"build": build, "hand": hand, "node": b.Elapsed()} {
				b.ReportMetric(d.Seconds()*1e6/float64(b.N*nodes), "µs/"+name)
			}
		})
	}
}

// BenchmarkExperts is 2,048 tokens through 8 of 256 experts each, 64 tokens an expert: row by row in
// their order, and in tiles of rows that share an expert, with packed and with bf16 weights.
func BenchmarkExperts(b *testing.B) {
	const experts, out, in, rows = 256, 1024, 2048, 2048 * 8
	r := rand.New(rand.NewPCG(1, 2))
	bytes := func(n int, mask uint64) []byte {
		data := make([]byte, 0, n)
		for len(data) < n {
			data = binary.LittleEndian.AppendUint64(data, r.Uint64()&mask)
		}
		return data
	}
	for _, dense := range []bool{false, true} {
		for _, tile := range []int{1, 16, 32, 64, 128} {
			b.Run(fmt.Sprintf("bf16=%v/tile=%d", dense, tile), func(b *testing.B) {
				benchmark(b, 2*out*in*rows, func(s *Scope) func() *Array {
					if s.Device() != GPU {
						b.Skip("gigabytes of weights, and minutes")
					}
					q := Quantized{Format: quant.FormatNVFP4,
						Weight: s.FromBytes(bytes(experts*out*in/2, 1<<64-1), quant.U32, experts, out, in/8),
						Scales: s.FromBytes(bytes(experts*out*in/16, 0x3737373737373737), quant.U8, experts, out, in/16)}
					x := s.AsType(s.FromFloat32(normal(rows*in), rows/tile, tile, in), quant.BF16)
					ids := make([]int32, rows/tile)
					for i := range ids {
						ids[i] = int32(i * tile * experts / rows)
					}
					id := s.AsType(s.FromInt32(ids, len(ids)), quant.U32)
					w := s.Dequantize(q, quant.BF16)
					if err := s.Eval(x, w, id); err != nil {
						b.Fatal(err)
					}
					return func() *Array {
						if dense {
							return s.GatherMM(x, s.SwapAxes(w, -1, -2), nil, id, tile == 1)
						}
						return s.GatherQMM(x, q, nil, id, true, tile == 1)
					}
				})
			})
		}
	}
}

// BenchmarkRead is computing the logits of one token of a wide vocabulary and fetching them.
func BenchmarkRead(b *testing.B) {
	th := start(b)
	err := th.Do(b.Context(), func(s *Scope) error {
		x := s.Full(0.5, quant.BF16, 248320)
		for b.Loop() {
			err := s.Nested(func(s *Scope) error {
				y := s.AsType(s.Add(x, x), quant.F32)
				err := s.Eval(y)
				s.Float32s(y)
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// benchmark times computing what the function that prepare returns builds, of so many operations.
func benchmark(b *testing.B, flops int, prepare func(*Scope) func() *Array) {
	th := start(b)
	err := th.Do(b.Context(), func(s *Scope) error {
		build := prepare(s)
		for b.Loop() {
			y := build()
			if err := s.Eval(y); err != nil {
				return err
			}
			y.Free()
		}
		b.ReportMetric(float64(flops)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkFill is memory for weights, by whether MLX's own is written or a copy is made.
func BenchmarkFill(b *testing.B) {
	const size = 256 << 20
	fill := func(dst []byte) error { clear(dst); return nil }
	th := start(b)
	for _, way := range []string{"fill", "copy"} {
		b.Run(way, func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				err := th.Do(b.Context(), func(s *Scope) error {
					if way == "fill" {
						_, err := s.Fill(quant.F32, []int{size / 4}, fill)
						return err
					}
					buf := make([]byte, size)
					s.FromBytes(buf, quant.F32, size/4)
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
				ClearCache()
			}
		})
	}
}
