package layer

import (
	"fmt"
	"testing"

	"qimport/quant"
	"qimport/runtime/mlx"
)

// TestLookPrompt holds the one operation that a CPU reads prompts with to the graph of MLX's operations, over
// two slices of two sequences, with plain and with stretched positions and such as pictures have, gated and not, and
// looks that a fork's keys are left alone.
func TestLookPrompt(t *testing.T) {
	thread := startMLX(t)
	if thread.Info().Device != mlx.CPU {
		t.Skip("not used on a GPU")
	}
	z := AttentionSizes{Heads: 6, KVHeads: 2, HeadDim: 24}
	yarn := &YaRN{Factor: 4, Original: 4096, BetaFast: 32, BetaSlow: 1, Truncate: true}
	for _, gated := range []bool{false, true} {
		for name, rope := range map[string]RoPE{"plain": {Dims: 8, Theta: 100}, "all": {Dims: 24, Theta: 100}, "yarn": {Dims: 8, Theta: 100, YaRN: yarn}} {
			for _, seen := range []bool{false, true} {
				t.Run(fmt.Sprint(name, ", gated ", gated, ", pictures ", seen), func(t *testing.T) {
					err := thread.Do(t.Context(), func(s *mlx.Scope) error { return compareLooks(t, s, z, rope, gated, seen) })
					if err != nil {
						t.Fatal(err)
					}
				})
			}
		}
	}
}

func compareLooks(t *testing.T, s *mlx.Scope, z AttentionSizes, rope RoPE, gated, seen bool) error {
	const batch, tokens, hidden = 2, 70, 16
	c, r := Compute{Mode: F32, State: quant.F32, Decay: quant.F32}, NewRotary(rope)
	a := newTestAttention(t, c, z, r, gated)
	if err := place(t, s, a); err != nil {
		return err
	}
	for _, p := range r.Params() {
		var err error
		if p.Array, err = s.Fill(p.Dtype, p.Shape, p.Fill); err != nil {
			return err
		}
	}
	var ours, graph Cache
	defer ours.Free()
	defer graph.Free()
	x := s.FromFloat32(testInput(2*batch*tokens, hidden), batch, 2*tokens, hidden)
	for part := range 2 {
		in := s.SliceAxis(x, 1, part*tokens, (part+1)*tokens)
		if seen {
			ours.Turns = r.Turns(s, positionsOfPicture(part*tokens, tokens), [3]int{1, 1, 1})
			graph.Turns = ours.Turns
		}
		if !a.readsPrompt(&ours) {
			t.Skip("there is no C function in this build")
		}
		fork := ours.Fork(s)
		before := fork.KV.keys
		var was []float32
		if before != nil {
			was = s.Float32s(before)
		}
		h := a.heads(s, in, func(y *mlx.Array) *mlx.Array { return a.rotate(s, y, &graph) })
		compareArrays(t, s, fmt.Sprint("output ", part), a.Forward(s, in, &ours), a.finish(s, a.attend(s, h, &graph), h.gate), 1e-5)
		if ours.KV.Len() != graph.KV.Len() {
			t.Fatalf("%d keys are kept, want %d", ours.KV.Len(), graph.KV.Len())
		}
		kept := func(y *mlx.Array) *mlx.Array { return s.SliceAxis(y, 2, 0, graph.KV.Len()) }
		compareArrays(t, s, fmt.Sprint("keys ", part), kept(ours.KV.keys), kept(graph.KV.keys), 1e-5)
		compareArrays(t, s, fmt.Sprint("values ", part), kept(ours.KV.values), kept(graph.KV.values), 1e-6)
		if before != nil {
			if at, diff := worst(wide(s.Float32s(before)), wide(was)); diff != 0 {
				t.Errorf("the fork's key %d has changed", at)
			}
		}
		fork.Free()
	}
	return nil
}

// positionsOfPicture are time, row and column of n tokens, of which the second half is a picture.
func positionsOfPicture(from, n int) [][3]int {
	all := make([][3]int, n)
	for i := range all {
		all[i] = [3]int{from + i, from + i, from + i}
		if i >= n/2 {
			all[i] = [3]int{from + n/2, from + n/2 + i/5, from + n/2 + i%5}
		}
	}
	return all
}

func newTestAttention(t *testing.T, c Compute, z AttentionSizes, r *Rotary, gated bool) *Attention {
	const hidden = 16
	m := func(out int) Matrix { return NewMatrix(random(t, quant.FormatF32, out, hidden)) }
	query := z.Heads * z.HeadDim
	w := AttentionWeights{Query: m(query), Key: m(z.KVHeads * z.HeadDim), Value: m(z.KVHeads * z.HeadDim),
		Out:       NewMatrix(random(t, quant.FormatF32, hidden, query)),
		QueryNorm: NewNorm(c, random(t, quant.FormatF32, z.HeadDim), 1e-6, true),
		KeyNorm:   NewNorm(c, random(t, quant.FormatF32, z.HeadDim), 1e-6, true), Rotary: r}
	if gated {
		w.Query = m(2 * query)
	}
	return NewAttention(c, z, w)
}
