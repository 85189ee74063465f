package layer

import (
	"context"
	"testing"
	"time"

	"qimport/quant"
	"qimport/runtime/mlx"
)

// BenchmarkDeltaPrefill puts 4,096 tokens, 256 at a time, through a Gated DeltaNet layer of the
// 0.8B shape on the CPU. Beside the time of the whole it reports what lies between the projections
// (convolution, delta rule, gated norm) as a multiple of the projections.
func BenchmarkDeltaPrefill(b *testing.B) {
	thread, err := mlx.Start(mlx.CPU)
	if err != nil {
		b.Skip(err)
	}
	defer thread.Close()
	const hidden, tokens, slice = 1024, 4096, 256
	c := Compute{Mode: F32, State: quant.F32, Decay: quant.F32}
	z := DeltaSizes{KeyHeads: 16, ValueHeads: 16, KeyDim: 128, ValueDim: 128, Kernel: 4}
	d := NewDeltaNet(c, z, deltaWeights(b, c, z, hidden))
	x := testInput(slice, hidden)
	var projections, between time.Duration
	err = thread.Do(context.Background(), func(s *mlx.Scope) error {
		if err := place(b, s, d); err != nil {
			return err
		}
		for b.Loop() {
			var cache Cache
			for range tokens / slice {
				err := s.Nested(func(s *mlx.Scope) error {
					in := s.FromFloat32(x, 1, slice, hidden)
					began := time.Now()
					projected := d.in.Apply(s, in)
					if err := s.Eval(projected); err != nil {
						return err
					}
					start := time.Now()
					mixed := d.mixPrompt(s, projected, &cache.Delta)
					if err := s.Eval(append(cache.Live(), mixed)...); err != nil {
						return err
					}
					end := time.Now()
					err := s.Eval(d.out.Apply(s, mixed))
					between += end.Sub(start)
					projections += start.Sub(began) + time.Since(end)
					return err
				})
				if err != nil {
					return err
				}
			}
			cache.Free()
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(between.Seconds()/projections.Seconds(), "between/projections")
}
