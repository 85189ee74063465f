package runtime

import (
	"context"
	"fmt"

	"qimport/runtime/layer"
	"qimport/runtime/mlx"
	"qimport/runtime/model"
)

// head is the multi-token-prediction head, loaded when it is first asked for.
type head struct {
	predictor *model.Predictor
	opened    []*layer.Mapped
}

// close frees the head's weights.
func (h *head) close() {
	if h.predictor != nil {
		freeArrays(h.predictor.Params())
	}
	for _, m := range h.opened {
		m.Close()
	}
	h.predictor, h.opened = nil, nil
}

// LoadHead makes the multi-token-prediction head ready to run, once. The error is model.ErrNoHead where
// there is none, and wraps model.ErrTensors where it is not one of this model's.
func (m *Model) LoadHead(ctx context.Context) error {
	if m.head.predictor != nil {
		return nil
	}
	return m.weights.Guard(func() error { return m.loadHead(ctx) })
}

func (m *Model) loadHead(ctx context.Context) error {
	p, err := m.checkpoint.Predictor(m.decoder)
	if err != nil {
		return err
	}
	held := m.Placement.HeldBytes()
	for _, a := range p.Params() {
		held += a.Bytes()
	}
	if limit := m.Placement.LimitBytes; limit > 0 && held > limit {
		return fmt.Errorf("%w: with the multi-token-prediction head its weights take %s, and may take %s; give more with --memory, or do without the head", ErrTooLarge, size(held), size(limit))
	}
	h := head{predictor: p}
	for _, w := range p.Mapped() {
		if err := w.Open(); err != nil {
			h.close()
			return err
		}
		h.opened = append(h.opened, w)
	}
	if err := m.thread.Do(ctx, func(s *mlx.Scope) error { return fill(ctx, s, p.Params()) }); err != nil {
		h.close()
		return err
	}
	m.head = h
	return nil
}

// ScoreHead reads tokens and calls each, for every place i but the last two, with two rows of logits
// [vocabulary] for token i+2: the text model's, which has read token i+1, and the head's, which was given
// that token and the text model's state at i. The slices are each's to keep; each must not use the model.
// LoadHead comes first.
func (m *Model) ScoreHead(ctx context.Context, ids []int, each func(place int, body, head []float32) error) error {
	if m.head.predictor == nil {
		return model.ErrNoHead
	}
	x := m.NewSession()
	defer x.Close()
	var cache layer.Cache
	defer cache.Free()
	var left *mlx.Array // the state of the last token read, which waits for the one after it
	defer func() { left.Free() }()
	return x.eachSlice(ctx, ids, func(slice []int, _ bool) error {
		from := len(x.tokens)
		return x.run(slice, keepHidden, func(s *mlx.Scope, states *mlx.Array) error {
			ahead := states
			if left != nil {
				ahead = s.Concatenate(1, s.Adopt(left), states)
				from--
			}
			n := ahead.Dim(1)
			left = s.Keep(s.Contiguous(s.SliceAxis(ahead, 1, n-1, n)))
			if err := s.Eval(left); err != nil || n == 1 {
				return err
			}
			return m.scoreHead(s, ids[from:from+n], ahead, &cache, func(at int, body, head []float32) error {
				if from+at+2 >= len(ids) {
					return nil
				}
				return each(from+at, body, head)
			})
		})
	})
}

// scoreHead is ScoreHead for tokens whose states [1, T, H] are known.
func (m *Model) scoreHead(s *mlx.Scope, ids []int, states *mlx.Array, cache *layer.Cache, each func(at int, body, head []float32) error) error {
	n := len(ids) - 1
	said := m.head.predictor.Hidden(s, padded(s, [][]int{ids[1:]}), s.SliceAxis(states, 1, 0, n), cache, model.Sight{})
	if err := s.Eval(append(cache.Live(), said)...); err != nil {
		return err
	}
	for from := 0; from < n; from += scoreRows {
		err := s.Nested(func(s *mlx.Scope) error {
			end := min(from+scoreRows, n)
			rows := func(states *mlx.Array, from, end int) []float32 {
				return s.Float32s(m.decoder.Logits(s, s.SliceAxis(states, 1, from, end)))
			}
			body, head := rows(states, from+1, end+1), rows(said, from, end)
			if err := m.sound(); err != nil {
				return err
			}
			width := len(body) / (end - from)
			for at := range end - from {
				row := func(all []float32) []float32 { return all[at*width : (at+1)*width : (at+1)*width] }
				if err := each(from+at, row(body), row(head)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
