package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"qimport/runtime/mlx"
)

// ErrContext marks tokens past the positions that a model was made for.
var ErrContext = errors.New("context too long")

// SliceTokens is how many tokens of a prompt are run at a time: enough for matrix products to be at
// their fastest, few enough that activations stay small and an interrupt is noticed soon.
const SliceTokens = 256

// gpuSliceTokens is the same for one sequence on a GPU, which is that much faster. Experts are decoded
// once a slice there.
const gpuSliceTokens = 2048

func (m *Model) sliceTokens() int {
	if m.Info().Device == mlx.GPU {
		return gpuSliceTokens
	}
	return SliceTokens
}

// Session is a sequence that a model has read, as its caches hold it. It can go on, be forked, but
// not go back. It is for one goroutine at a time.
type Session struct {
	batch  // of one sequence
	tokens []int
	ahead  *reading  // slices that the caches hold already, but tokens not
	drafts *drafting // the head beside the sequence; nil where nothing is drafted
}

// NewSession starts an empty sequence.
func (m *Model) NewSession() *Session { return &Session{batch: m.newBatch()} }

// Tokens is what has been read so far.
func (x *Session) Tokens() []int { return slices.Clone(x.tokens) }

// Len is the number of tokens read so far.
func (x *Session) Len() int { return len(x.tokens) }

// Feed reads tokens and returns the logits [vocabulary] of what may follow the last of them. A
// cancelled context ends it after a slice of the tokens; Len says how many have been read.
func (x *Session) Feed(ctx context.Context, ids []int) ([]float32, error) {
	var logits []float32
	err := x.eachSlice(ctx, ids, func(ids []int, last bool) error {
		if !last {
			return x.run(ids, keepHidden, func(*mlx.Scope, *mlx.Array) error { return nil })
		}
		lastLogits := func(s *mlx.Scope, hidden *mlx.Array) *mlx.Array {
			return x.model.decoder.Logits(s, s.SliceAxis(hidden, 1, len(ids)-1, len(ids)))
		}
		return x.run(ids, lastLogits, func(s *mlx.Scope, row *mlx.Array) error {
			logits = s.Float32s(row)
			return nil
		})
	})
	return logits, err
}

// Step reads one token; see Feed.
func (x *Session) Step(ctx context.Context, id int) ([]float32, error) {
	return x.Feed(ctx, []int{id})
}

// Score reads tokens and calls each with the logits [vocabulary] after every one of them; position
// counts from the sequence's beginning. The slice is each's to keep. each must not use the model.
func (x *Session) Score(ctx context.Context, ids []int, each func(position int, logits []float32) error) error {
	return x.eachSlice(ctx, ids, func(ids []int, _ bool) error {
		from := len(x.tokens)
		return x.run(ids, keepHidden, func(s *mlx.Scope, hidden *mlx.Array) error {
			return x.score(s, hidden, [][]int{ids}, func(_, at int, logits []float32) error {
				return each(from+at, logits)
			})
		})
	})
}

// eachSlice checks the tokens and calls run with one slice of them after the other.
func (x *Session) eachSlice(ctx context.Context, ids []int, run func(ids []int, last bool) error) error {
	if err := x.check(ids); err != nil {
		return err
	}
	defer x.catchUp()
	step := x.model.sliceTokens()
	for at := 0; at < len(ids); at += step {
		end := min(at+step, len(ids))
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := x.readAhead(ctx, ids[at:]); err != nil {
			return err
		}
		if err := run(ids[at:end], end == len(ids)); err != nil {
			return err
		}
	}
	return nil
}

// check refuses tokens that cannot be read, before any is.
func (x *Session) check(ids []int) error {
	if x.failed != nil {
		return fmt.Errorf("this session cannot go on after: %w", x.failed)
	}
	if err := x.model.check(len(x.tokens), ids); err != nil {
		return err
	}
	return x.model.fits(1, len(x.tokens), len(ids), x.model.sliceTokens())
}

// check refuses tokens that cannot follow those already read.
func (m *Model) check(read int, ids []int) error {
	limit, vocab := m.Config.MaxPositions, m.Config.VocabSize
	switch {
	case len(ids) == 0:
		return errors.New("no tokens to read")
	case read+len(ids) > limit:
		return fmt.Errorf("%w: %d tokens are read and %d more were given; the model has %d positions",
			ErrContext, read, len(ids), limit)
	}
	for _, id := range ids {
		if id < 0 || id >= vocab {
			return fmt.Errorf("token %d is outside the vocabulary of %d", id, vocab)
		}
	}
	return nil
}

// readAhead reads what one pass over the layers reads of ids, if more than a slice is left and none of an
// earlier pass.
func (x *Session) readAhead(ctx context.Context, ids []int) error {
	if x.ahead != nil || !x.model.byLayer((len(ids)+SliceTokens-1)/SliceTokens) {
		return nil
	}
	r := &reading{batch: &x.batch}
	for slice := range slices.Chunk(ids[:min(x.model.pass(), len(ids))], SliceTokens) {
		r.slices = append(r.slices, [][]int{slice})
	}
	if err := x.model.readLayers(ctx, r); err != nil {
		return err
	}
	x.ahead = r
	return nil
}

// catchUp ends a pass whose slices have not all been asked for: the caches hold them.
func (x *Session) catchUp() {
	if x.ahead == nil {
		return
	}
	for _, slice := range x.ahead.slices {
		x.tokens = append(x.tokens, slice[0]...)
	}
	x.ahead.free()
	x.ahead = nil
	x.dropDrafts() // the head has not seen them
}

// runAhead is run for the next slice of a pass.
func (x *Session) runAhead(ids []int, graph func(*mlx.Scope, *mlx.Array) *mlx.Array, then func(*mlx.Scope, *mlx.Array) error) error {
	hidden := x.ahead.states[0]
	x.ahead.slices, x.ahead.states = x.ahead.slices[1:], x.ahead.states[1:]
	if len(x.ahead.states) == 0 {
		x.ahead = nil
	}
	x.tokens = append(x.tokens, ids...)
	return x.model.do(context.Background(), func(s *mlx.Scope) error {
		wanted := graph(s, s.Adopt(hidden))
		if err := s.Eval(wanted); err != nil {
			return err
		}
		if err := x.model.sound(); err != nil {
			return err
		}
		return then(s, wanted)
	})
}

// run reads one slice of tokens; see batch.run. When then is called, they are read.
func (x *Session) run(ids []int, graph func(*mlx.Scope, *mlx.Array) *mlx.Array, then func(*mlx.Scope, *mlx.Array) error) error {
	if x.drafts != nil {
		graph, then = x.followed(ids, graph, then)
	}
	if x.ahead != nil {
		return x.runAhead(ids, graph, then)
	}
	return x.batch.run([][]int{ids}, graph, func(s *mlx.Scope, wanted *mlx.Array) error {
		x.tokens = append(x.tokens, ids...)
		return then(s, wanted)
	})
}

// Fork is a second session that has read the same. Memory is shared until one of the two goes on.
func (x *Session) Fork(ctx context.Context) (*Session, error) {
	if x.failed != nil {
		return nil, fmt.Errorf("this session cannot be forked after: %w", x.failed)
	}
	f := &Session{batch: batch{model: x.model, precision: x.precision, pictures: x.pictures, read: x.read}, tokens: slices.Clone(x.tokens)}
	err := x.model.do(ctx, func(s *mlx.Scope) error {
		for i := range x.caches {
			f.caches = append(f.caches, x.caches[i].Fork(s))
		}
		live := f.live()
		if x.drafts != nil {
			f.drafts = x.drafts.fork(s)
			live = append(live, f.drafts.live()...)
		}
		return s.Eval(live...)
	})
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Close frees the caches.
func (x *Session) Close() {
	x.dropDrafts()
	x.free()
	x.failed = errors.New("the session is closed")
}
