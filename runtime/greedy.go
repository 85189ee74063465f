package runtime

import (
	"context"
	"fmt"

	"qimport/quant"
	"qimport/quant/kernel"
	"qimport/runtime/mlx"
)

// StepGreedy reads one token and returns the likeliest of the first size tokens of the vocabulary
// after it, the first of equals. It is chosen where the model runs: fetching the logits of a whole
// vocabulary from a GPU, or looking at them one by one, takes as long as a good part of the step.
func (x *Session) StepGreedy(ctx context.Context, id, size int) (next int, err error) {
	err = x.eachSlice(ctx, []int{id}, func(ids []int, _ bool) error {
		likeliest := func(s *mlx.Scope, hidden *mlx.Array) *mlx.Array { return x.likeliest(s, hidden, size) }
		return x.run(ids, likeliest, func(s *mlx.Scope, chosen *mlx.Array) error {
			next = int(s.Int32s(chosen)[0])
			return nil
		})
	})
	if err == nil && next < 0 {
		err = fmt.Errorf("%w after token %d", ErrNotFinite, id)
	}
	return next, err
}

// likeliest is, for states [B, T, H], the likeliest of the first size tokens after the last of them, int32
// [B], the first of equals; -1 where logits are not finite.
func (x *batch) likeliest(s *mlx.Scope, hidden *mlx.Array, size int) *mlx.Array {
	return likeliest(s, x.lastLogits(s, hidden, size))
}

// lastLogits are those of the first size tokens after the last of the states [B, T, H].
func (x *batch) lastLogits(s *mlx.Scope, hidden *mlx.Array, size int) *mlx.Array {
	b, t := hidden.Shape()[0], hidden.Shape()[1]
	last := x.model.decoder.Logits(s, s.SliceAxis(hidden, 1, t-1, t))
	return s.SliceAxis(s.Reshape(last, b, last.Dim(-1)), 1, 0, size)
}

// likeliest is the likeliest of each row of logits [B, size], as above.
func likeliest(s *mlx.Scope, logits *mlx.Array) *mlx.Array {
	if f := kernel.LikeliestEntry(); f != nil && s.Device() == mlx.CPU && logits.Dtype() == quant.F32 {
		sizes := kernel.LikeliestSizes(logits.Dim(1), logits.Dim(1))
		return s.Call(f, nil, quant.I32, []int{logits.Dim(0)}, logits, s.FromInt32(sizes, len(sizes)))
	}
	chosen := s.AsType(s.ArgMax(logits, -1, false), quant.I32)
	return s.Where(s.All(s.IsFinite(logits), -1, false), chosen, s.Full(-1, quant.I32, 1))
}

// weighed is what likeliest chooses and, behind it, the natural logarithm of its probability: float32 [B, 2],
// which holds every token's id whole.
func weighed(s *mlx.Scope, logits *mlx.Array) *mlx.Array {
	chance := s.Sub(s.Max(logits, -1, false), s.LogSumExp(logits, -1, false))
	id := s.AsType(likeliest(s, logits), quant.F32)
	return s.Concatenate(1, s.ExpandDims(id, 1), s.ExpandDims(s.AsType(chance, quant.F32), 1))
}
