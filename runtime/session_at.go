package runtime

import (
	"context"

	"qimport/runtime/mlx"
)

// FeedAt is Feed that calls each with the logits [vocabulary] at some places: a place is the number of
// tokens read so far, those that the session had read before included. Places are in order, and logits
// of no others are made. The slice is each's to keep; each must not use the model.
func (x *Session) FeedAt(ctx context.Context, ids, places []int, each func(place int, logits []float32) error) error {
	return x.eachSlice(ctx, ids, func(ids []int, _ bool) error {
		from := len(x.tokens)
		var wanted []int32 // of the slice's tokens
		for _, place := range places {
			if from < place && place <= from+len(ids) {
				wanted = append(wanted, int32(place-from-1))
			}
		}
		if len(wanted) == 0 {
			return x.run(ids, keepHidden, func(*mlx.Scope, *mlx.Array) error { return nil })
		}
		pick := func(s *mlx.Scope, hidden *mlx.Array) *mlx.Array {
			return s.Take(hidden, s.FromInt32(wanted, len(wanted)), 1) // [1, places, H]
		}
		return x.run(ids, pick, func(s *mlx.Scope, states *mlx.Array) error {
			return x.batch.score(s, states, [][]int{make([]int, len(wanted))}, func(_, at int, logits []float32) error {
				return each(from+int(wanted[at])+1, logits)
			})
		})
	})
}
