package layer

import (
	"testing"

	"qimport/quant"
	"qimport/runtime/mlx"
)

// TestMixStep holds the one operation that a CPU decodes with to the definition, token by token, and looks
// that a fork's state is left alone.
func TestMixStep(t *testing.T) {
	thread := startMLX(t)
	eachMix(t, []int{1, 5, 70}, func(t *testing.T, d mixData) {
		if d.act != quant.F32 {
			return // activations of weights that are multiplied where they lie are float32
		}
		z, c := d.sizes, Cache{}
		var pieces [][]float64
		var state, past, forked []float64
		err := thread.Do(t.Context(), func(s *mlx.Scope) error {
			layer := d.layer(s, Compute{Mode: Quantized, State: quant.F32, Decay: quant.F32})
			if !layer.steps(1) {
				t.Skip("there is no C function in this build")
			}
			c.Delta.conv = s.Keep(s.FromFloat32(d.past, d.batch, z.Kernel-1, z.ConvDim()))
			c.Delta.state = s.Keep(s.FromFloat32(d.state, d.batch, z.ValueHeads, z.ValueDim, z.KeyDim))
			defer c.Free()
			fork := c.Fork(s)
			defer fork.Free()
			x := s.FromFloat32(d.x, d.batch, d.tokens, len(d.x)/d.batch/d.tokens)
			for at := range d.tokens {
				y := layer.step(s, s.SliceAxis(x, 1, at, at+1), &c.Delta)
				if err := s.Eval(append(c.Live(), y)...); err != nil {
					return err
				}
				pieces = append(pieces, wide(s.Float32s(y)))
			}
			state, past, forked = wide(s.Float32s(c.Delta.state)), wide(s.Float32s(c.Delta.conv)), wide(s.Float32s(fork.Delta.state))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		wantY, wantState := d.reference()
		if at, diff := worst(d.join(pieces, 1), wantY); diff > 1e-4 {
			t.Errorf("y %d differs by %.2g", at, diff)
		}
		if at, diff := worst(state, wantState); diff > 1e-4 {
			t.Errorf("state %d differs by %.2g", at, diff)
		}
		if at, diff := worst(forked, wide(d.state)); diff != 0 {
			t.Errorf("the fork's state %d has changed", at)
		}
		d.checkPast(t, past)
	})
}

// TestStepInPlace: a state that nobody else holds is carried on in its own memory.
func TestStepInPlace(t *testing.T) {
	thread := startMLX(t)
	if thread.Info().Device != mlx.CPU || !mlx.HasCall() {
		t.Skip("operations of ours are called at once")
	}
	eachMix(t, []int{2}, func(t *testing.T, d mixData) {
		if d.act != quant.F32 {
			return
		}
		err := thread.Do(t.Context(), func(s *mlx.Scope) error {
			layer, c := d.layer(s, Compute{Mode: Quantized, State: quant.F32, Decay: quant.F32}), Cache{}
			defer c.Free()
			x := s.FromFloat32(d.x, d.batch, d.tokens, len(d.x)/d.batch/d.tokens)
			var at [2]*float32
			for i := range at {
				y := layer.step(s, s.SliceAxis(x, 1, i, i+1), &c.Delta)
				if err := s.Eval(append(c.Live(), y)...); err != nil {
					return err
				}
				at[i] = &s.Lend(c.Delta.state)[0]
			}
			if at[0] != at[1] {
				t.Error("the state has moved")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
