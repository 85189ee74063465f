package runtime

import (
	"context"
	"fmt"

	"qimport/quant"
	"qimport/runtime/mlx"
)

// StepGreedy reads one token and returns the likeliest of the first size tokens of the vocabulary
// after it, the first of equals. It is chosen where the model runs: from a GPU, fetching the logits
// of a whole vocabulary takes as long as a good part of the step.
func (x *Session) StepGreedy(ctx context.Context, id, size int) (next int, err error) {
	err = x.eachSlice(ctx, []int{id}, func(ids []int, _ bool) error {
		likeliest := func(s *mlx.Scope, hidden *mlx.Array) *mlx.Array {
			logits := s.SliceAxis(x.model.decoder.Logits(s, hidden), 2, 0, size)
			chosen := s.AsType(s.ArgMax(logits, -1, false), quant.I32)
			finite := s.All(s.IsFinite(logits), -1, false)
			return s.Where(finite, chosen, s.Full(-1, quant.I32, 1))
		}
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
