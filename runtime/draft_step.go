package runtime

import (
	"context"

	"qimport/runtime/mlx"
)

// choice is the token chosen after a row of logits, and whether nothing follows.
type choice struct {
	id    int
	ended bool
}

// stepDrafted reads a token and n that the head expects after it, all at once, and keeps those that choose
// chooses: it is given the logits of one row after the other, as single steps would make them, and draft, the
// token that is expected there (-1 behind the last). The session is then as after so many single steps, and
// last is what was chosen after the last of the stood that were read. startDrafts comes first, and a prompt.
func (x *Session) stepDrafted(ctx context.Context, id, n int, choose func(logits []float32, draft int) (choice, error)) (stood int, last choice, err error) {
	if err := x.check([]int{id}); err != nil {
		return 0, last, err
	}
	if err := ctx.Err(); err != nil {
		return 0, last, err
	}
	ids := []int{id}
	err = x.model.do(context.Background(), func(s *mlx.Scope) error {
		guesses, err := x.draft(s, id, n)
		ids = append(ids, guesses...)
		return err
	})
	if err == nil {
		stood, last, err = x.readDrafted(ids, choose)
	}
	if err != nil {
		x.failed = err
	}
	return stood, last, err
}

// readDrafted reads the tokens, of which the first stands, and takes back those that do not.
func (x *Session) readDrafted(ids []int, choose func([]float32, int) (choice, error)) (stood int, last choice, err error) {
	for i := range x.caches {
		x.caches[i].Trail = true
	}
	var states *mlx.Array
	graph := func(s *mlx.Scope, hidden *mlx.Array) *mlx.Array {
		states = hidden
		return x.model.decoder.Logits(s, hidden)
	}
	err = x.batch.run([][]int{ids}, graph, func(s *mlx.Scope, logits *mlx.Array) error {
		kept, err := 0, error(nil)
		if kept, last, err = x.stand(ids, s.Float32s(logits), choose); err != nil {
			return err
		}
		for i := range x.caches {
			x.caches[i].Rewind(len(ids) - kept)
		}
		x.read -= len(ids) - kept
		stood = kept - 1
		return x.follow(s, ids[:kept], s.SliceAxis(states, 1, 0, kept))
	})
	return stood, last, err
}

// stand counts the tokens that stand by the logits after each, and makes them the session's.
func (x *Session) stand(ids []int, logits []float32, choose func([]float32, int) (choice, error)) (kept int, last choice, err error) {
	width := len(logits) / len(ids)
	for at, id := range ids {
		x.tokens = append(x.tokens, id)
		draft := -1
		if at+1 < len(ids) {
			draft = ids[at+1]
		}
		last, err = choose(logits[at*width:(at+1)*width:(at+1)*width], draft)
		if err != nil || last.ended || last.id != draft {
			return at + 1, last, err
		}
	}
	return len(ids), last, nil
}
