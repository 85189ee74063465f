package layer

import (
	"fmt"
	"testing"

	"qimport/runtime/mlx"
)

// TestScoreBytes: on a GPU, heads that a fused kernel takes have no scores in bf16. What is said was measured on
// an H100, too: 36,000 tokens of two layers with 32 heads, in slices of 2,048, held 19 GB in float32 at every
// width of a head, 10 GB in bf16 with heads of 256, and 0.3 to 0.5 GB, most of them keys, values and weights, with
// those of 64 and 128.
func TestScoreBytes(t *testing.T) {
	const score = 32 * 2048 * 36000 // elements
	for _, tt := range []struct {
		compute            Compute
		headDim, sequences int
		want               int64
	}{
		{Compute{Mode: F32}, 128, 1, 4 * score},
		{Compute{Mode: Quantized}, 256, 1, 4 * score},
		{Compute{Mode: BF16}, 128, 2, 2 * 2 * score},
		{Compute{Mode: F32, GPU: true}, 128, 1, 8 * score},
		{Compute{Mode: BF16, GPU: true}, 256, 1, 4 * score},
		{Compute{Mode: Quantized, GPU: true}, 256, 1, 4 * score},
		{Compute{Mode: BF16, GPU: true}, 128, 1, 0},
		{Compute{Mode: Quantized, GPU: true}, 64, 1, 0},
		{Compute{Mode: BF16, GPU: true}, 128, 2, 2 * 4 * score},
		{Compute{Mode: BF16, GPU: true}, 32, 1, 4 * score}, // which Metal's kernel does not take
	} {
		if got := ScoreBytes(tt.compute, 32, tt.headDim, tt.sequences, 2048, 36000); got != tt.want {
			t.Errorf("%+v, %d heads of %d: %d bytes, want %d", tt.compute, 32, tt.headDim, got, tt.want)
		}
	}
}

// TestScoresHeld holds what is said to what MLX takes on the device of the tests: never more, and not much less,
// but for a mask, with which Metal's fused kernel takes less than CUDA.
func TestScoresHeld(t *testing.T) {
	const heads, kv, queries, keys = 16, 4, 64, 2048
	thread := startMLX(t)
	for _, mode := range []Mode{F32, BF16} {
		for _, tt := range []struct {
			headDim int
			padded  bool
		}{{64, false}, {64, true}, {128, false}, {256, false}, {256, true}} {
			headDim := tt.headDim
			t.Run(fmt.Sprintf("%s, heads of %d, padded %t", mode, headDim, tt.padded), func(t *testing.T) {
				var took, other, said int64
				err := thread.Do(t.Context(), func(s *mlx.Scope) error {
					c := Compute{Mode: mode, GPU: s.Device() == mlx.GPU}
					filled := func(n, length int) *mlx.Array { return s.Full(0.5, c.Activation(), 1, n, length, headDim) }
					q, k, v := filled(heads, queries), filled(kv, keys), filled(kv, keys)
					if err := s.Eval(q, k, v); err != nil {
						return err
					}
					mlx.ClearCache()
					mlx.ResetPeakMemory()
					before := mlx.ReadMemory().Active
					mask, sequences := mlx.Mask{Causal: true}, 1
					if tt.padded { // as of the first of two sequences, for which there is twice as much
						mask, sequences = Padding{1}.mask(s, keys-queries, queries), 2
					}
					if err := s.Eval(s.Attention(q, k, v, 0.1, mask)); err != nil {
						return err
					}
					took = mlx.ReadMemory().Peak - before
					said = ScoreBytes(c, heads, headDim, sequences, queries, keys) / int64(sequences)
					other = 4 * 4 * int64(headDim) * heads * queries // the result, queries that were scaled
					if c.GPU {
						other += 4 * 2 * int64(headDim) * kv * keys // copies of keys and values
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("%d bytes, said were %d", took, said)
				if took > said+other || !tt.padded && took < said/2 {
					t.Errorf("attention takes %d bytes, said were %d", took, said)
				}
			})
		}
	}
}
