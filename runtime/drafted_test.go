package runtime

import (
	"context"

	"qimport/runtime/mlx"
)

// Drafting makes drafts beside the session from now on.
func (x *Session) Drafting() { x.startDrafts() }

// Guess is the n tokens that the head expects after the one that was chosen. It takes the place of the
// step that it begins: Check is to follow.
func (x *Session) Guess(id, n int) (guesses []int, err error) {
	err = x.model.do(context.Background(), func(s *mlx.Scope) error {
		guesses, err = x.draft(s, id, n)
		return err
	})
	return guesses, err
}

// Check reads a token that stands and guesses after it, of which the first stand do, as if they were
// chosen; rows are the logits after all that do.
func (x *Session) Check(ids []int, stand int) (rows [][]float32, err error) {
	_, _, err = x.readDrafted(ids, func(logits []float32, draft int) (choice, error) {
		rows = append(rows, logits)
		if len(rows) > stand {
			return choice{id: -2}, nil
		}
		return choice{id: draft}, nil
	})
	return rows, err
}

// Held is all that the caches hold of delta states and convolutions, and how many keys.
func (x *Session) Held() (states [][]float32, keys []int, err error) {
	err = x.model.do(context.Background(), func(s *mlx.Scope) error {
		for i := range x.caches {
			if x.caches[i].KV.Len() > 0 {
				keys = append(keys, x.caches[i].KV.Len())
				continue
			}
			for _, a := range x.caches[i].Live() {
				states = append(states, s.Float32s(a))
			}
		}
		return nil
	})
	return states, keys, err
}
