package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"qimport/runtime/layer"
	"qimport/runtime/mlx"
)

// ErrContext marks tokens past the positions that a model was made for.
var ErrContext = errors.New("context too long")

// sliceTokens is how many tokens of a prompt are run at a time: enough for matrix products to be at
// their fastest, few enough that activations stay small and an interrupt is noticed soon.
const sliceTokens = 256

// scoreRows is how many rows of logits are made at a time: a vocabulary is wide.
const scoreRows = 64

// Session is a sequence that a model has read, as its caches hold it. It can go on, be forked, but
// not go back. It is for one goroutine at a time.
type Session struct {
	model     *Model
	tokens    []int
	caches    []layer.Cache
	precision Precision
	failed    error // what left the caches in no known state
}

// NewSession starts an empty sequence.
func (m *Model) NewSession() *Session {
	return &Session{model: m, caches: make([]layer.Cache, len(m.decoder.Blocks))}
}

// Tokens is what has been read so far.
func (x *Session) Tokens() []int { return slices.Clone(x.tokens) }

// Len is the number of tokens read so far.
func (x *Session) Len() int { return len(x.tokens) }

// Feed reads tokens and returns the logits [vocabulary] of what may follow the last of them. A
// cancelled context ends it after a slice of the tokens, which are then read: Len tells.
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
			for at := 0; at < len(ids); at += scoreRows {
				if err := x.scoreRows(s, hidden, at, min(at+scoreRows, len(ids)), from, each); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// scoreRows hands on the logits of the rows [at, end) of hidden, the first row being position from.
func (x *Session) scoreRows(s *mlx.Scope, hidden *mlx.Array, at, end, from int, each func(int, []float32) error) error {
	return s.Nested(func(s *mlx.Scope) error {
		logits := s.Float32s(x.model.decoder.Logits(s, s.SliceAxis(hidden, 1, at, end)))
		width := len(logits) / (end - at)
		for row := at; row < end; row++ {
			l := logits[(row-at)*width : (row-at+1)*width : (row-at+1)*width]
			if err := each(from+row, l); err != nil {
				return err
			}
		}
		return nil
	})
}

// eachSlice checks the tokens and calls run with one slice of them after the other.
func (x *Session) eachSlice(ctx context.Context, ids []int, run func(ids []int, last bool) error) error {
	if err := x.check(ids); err != nil {
		return err
	}
	for at := 0; at < len(ids); at += sliceTokens {
		end := min(at+sliceTokens, len(ids))
		if err := ctx.Err(); err != nil {
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
	limit, vocab := x.model.Config.MaxPositions, x.model.Config.VocabSize
	switch {
	case x.failed != nil:
		return fmt.Errorf("this session cannot go on after: %w", x.failed)
	case len(ids) == 0:
		return errors.New("no tokens to read")
	case len(x.tokens)+len(ids) > limit:
		return fmt.Errorf("%w: %d tokens are read and %d more were given; the model has %d positions",
			ErrContext, len(x.tokens), len(ids), limit)
	}
	for _, id := range ids {
		if id < 0 || id >= vocab {
			return fmt.Errorf("token %d is outside the vocabulary of %d", id, vocab)
		}
	}
	return nil
}

// run reads one slice of tokens, to its end whatever happens meanwhile. graph makes what is wanted
// of their normalised states [1, T, H], which is computed with the caches and handed to then. What
// goes wrong before that leaves caches of which nothing is known.
func (x *Session) run(ids []int, graph func(*mlx.Scope, *mlx.Array) *mlx.Array, then func(*mlx.Scope, *mlx.Array) error) error {
	return x.model.thread.Do(context.Background(), func(s *mlx.Scope) error {
		x.failed = errors.New("a step did not end")
		wanted, err := x.forward(s, ids, graph)
		if x.failed = err; err != nil {
			return err
		}
		return then(s, wanted)
	})
}

// forward is the part of run after which the caches hold the tokens.
func (x *Session) forward(s *mlx.Scope, ids []int, graph func(*mlx.Scope, *mlx.Array) *mlx.Array) (*mlx.Array, error) {
	input := make([]int32, len(ids))
	for i, id := range ids {
		input[i] = int32(id)
	}
	hidden := x.model.decoder.Hidden(s, s.FromInt32(input, 1, len(ids)), x.caches)
	wanted := graph(s, hidden)
	if err := s.Eval(append(x.live(), wanted)...); err != nil {
		return nil, err
	}
	x.tokens = append(x.tokens, ids...)
	x.precision = x.precision.and(x.readPrecision(hidden))
	return wanted, nil
}

// keepHidden wants the states themselves.
func keepHidden(_ *mlx.Scope, hidden *mlx.Array) *mlx.Array { return hidden }

// live lists all arrays of the caches.
func (x *Session) live() []*mlx.Array {
	var all []*mlx.Array
	for i := range x.caches {
		all = append(all, x.caches[i].Live()...)
	}
	return all
}

// Fork is a second session that has read the same. Memory is shared until one of the two goes on.
func (x *Session) Fork(ctx context.Context) (*Session, error) {
	if x.failed != nil {
		return nil, fmt.Errorf("this session cannot be forked after: %w", x.failed)
	}
	f := &Session{model: x.model, tokens: slices.Clone(x.tokens), precision: x.precision}
	err := x.model.thread.Do(ctx, func(s *mlx.Scope) error {
		for i := range x.caches {
			f.caches = append(f.caches, x.caches[i].Fork(s))
		}
		return s.Eval(f.live()...)
	})
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Close frees the caches.
func (x *Session) Close() {
	for i := range x.caches {
		x.caches[i].Free()
	}
	x.failed = errors.New("the session is closed")
}
