package runtime

import (
	"time"

	"qimport/quant"
	"qimport/runtime/layer"
	"qimport/runtime/mlx"
	"qimport/runtime/model"
)

// drafting is the multi-token-prediction head beside a sequence. It has seen all the tokens that were read
// since there was one, and the state of the last of them waits for the token that follows.
type drafting struct {
	cache   layer.Cache
	from    int           // the place in the sequence of the first that the cache holds
	waiting *mlx.Array    // [1, 1, H]; nil before anything was read
	spent   time.Duration // in following the sequence
}

// startDrafts gives the session a head, unless it has one. Model.LoadHead comes first.
func (x *Session) startDrafts() {
	if x.drafts == nil {
		x.drafts = &drafting{}
	}
}

func (x *Session) dropDrafts() {
	if x.drafts != nil {
		x.drafts.cache.Free()
		if x.drafts.waiting != nil {
			x.drafts.waiting.Free()
		}
		x.drafts = nil
	}
}

// followTime is what the session has spent in showing the head what was read.
func (x *Session) followTime() time.Duration {
	if x.drafts == nil {
		return 0
	}
	return x.drafts.spent
}

// live lists the arrays that it holds.
func (d *drafting) live() []*mlx.Array {
	if d.waiting == nil {
		return d.cache.Live()
	}
	return append(d.cache.Live(), d.waiting)
}

func (d *drafting) fork(s *mlx.Scope) *drafting {
	f := &drafting{cache: d.cache.Fork(s), from: d.from}
	if d.waiting != nil {
		f.waiting = s.Keep(s.Copy(d.waiting))
	}
	return f
}

// followed is graph and then of Session.run for tokens that the head is to see too.
func (x *Session) followed(ids []int, graph func(*mlx.Scope, *mlx.Array) *mlx.Array, then func(*mlx.Scope, *mlx.Array) error) (func(*mlx.Scope, *mlx.Array) *mlx.Array, func(*mlx.Scope, *mlx.Array) error) {
	var states *mlx.Array
	kept := func(s *mlx.Scope, hidden *mlx.Array) *mlx.Array {
		states = hidden
		return graph(s, hidden)
	}
	return kept, func(s *mlx.Scope, wanted *mlx.Array) error {
		if err := x.follow(s, ids, states); err != nil {
			x.failed = err
			return err
		}
		return then(s, wanted)
	}
}

// headSight is what pictures are to the head at the n slots from a place on: a slot has the position of the
// place, and is given what stands at the one after it.
func (x *Session) headSight(s *mlx.Scope, at, n int) model.Sight {
	v := x.sight(s, at, n)
	v.Spans = x.sight(s, at+1, n).Spans
	v.Shift -= x.drafts.from
	return v
}

// follow shows the head the last tokens of the session, whose states are [1, T, H].
func (x *Session) follow(s *mlx.Scope, ids []int, states *mlx.Array) error {
	d, at, begin := x.drafts, len(x.tokens)-len(ids), time.Now()
	defer func() { d.spent += time.Since(begin) }()
	if d.waiting != nil {
		states = s.Concatenate(1, s.Adopt(d.waiting), states)
		at--
	} else {
		ids = ids[1:]
	}
	if d.cache.KV.Len() == 0 {
		d.from = at
	}
	n := len(ids)
	d.waiting = s.Keep(s.Contiguous(s.SliceAxis(states, 1, n, n+1)))
	if n > 0 {
		x.model.head.predictor.Hidden(s, padded(s, [][]int{ids}), s.SliceAxis(states, 1, 0, n), &d.cache, x.headSight(s, at, n))
	}
	return s.Eval(d.live()...) // not what the head says
}

// draft is the n tokens that the head expects after a token that was chosen and not read. That one the head
// has seen then.
func (x *Session) draft(s *mlx.Scope, id, n int) ([]int, error) {
	d, m := x.drafts, x.model
	state, next := s.Adopt(d.waiting), s.FromInt32([]int32{int32(id)}, 1, 1)
	d.waiting = nil
	var all []*mlx.Array
	for i := range n {
		state = m.head.predictor.Hidden(s, next, state, &d.cache, x.headSight(s, len(x.tokens)-1+i, 1))
		logits := s.SliceAxis(m.decoder.Logits(s, state), 2, 0, m.Tokenizer.Size())
		next = s.AsType(s.ArgMax(logits, -1, false), quant.I32) // [1, 1]
		all = append(all, next)
	}
	if err := s.Eval(append(d.cache.Live(), all...)...); err != nil {
		return nil, err
	}
	d.cache.Rewind(n - 1) // of the others it has seen its own guesses, not what the text model makes of them
	ids := make([]int, n)
	for i, a := range all {
		ids[i] = int(s.Int32s(a)[0])
	}
	return ids, nil
}
