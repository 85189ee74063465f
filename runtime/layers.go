package runtime

import (
	"context"
	"errors"

	"qimport/runtime/layer"
	"qimport/runtime/mlx"
	"qimport/runtime/model"
)

// Where weights are used where they lie, many tokens are read a layer at a time: all slices of them
// through the first layer, then through the next. A weight is read once that way, however many tokens
// there are, and the layer after it is fetched meanwhile; a model larger than memory is read from its
// disk once, and not once for every slice.

// passTokens is how many tokens are read so at a time where the weights stay in memory anyway: an
// interrupt then keeps what was read before.
const passTokens = 8 * SliceTokens

// reading is the slices that a batch reads in one pass over the layers.
type reading struct {
	*batch
	slices [][][]int
	last   bool          // nothing follows: a layer's cache is let go as soon as the layer is done
	sights []model.Sight // of each slice, while it is read
	states []*mlx.Array  // of each slice [B, T, H], after the layers so far
	before []layer.Cache // what the caches were, if they are to be kept
}

// byLayer says whether so many slices are read a layer at a time.
func (m *Model) byLayer(slices int) bool {
	return slices > 1 && m.Placement.Mode == layer.Quantized && m.Placement.MappedBytes > 0
}

// pass is how many tokens one pass over the layers reads: as many as there is room for the states of, if
// the weights do not stay in memory.
func (m *Model) pass() int {
	p := m.Placement
	if p.TotalBytes == 0 || p.MappedBytes <= p.TotalBytes/2 {
		return passTokens
	}
	state := 4 * int64(m.Config.HiddenSize)
	return max(int(p.LimitBytes/4/state)/SliceTokens*SliceTokens, passTokens)
}

// readLayers runs all slices through the model: states are then the normalised ones, which the caller
// frees. A cancelled context ends it between two slices of a layer; caches are then as they were.
func (m *Model) readLayers(ctx context.Context, all ...*reading) error {
	return m.readWatched(ctx, nil, all...)
}

// watcher is told of each layer before it is read and after.
type watcher interface {
	begin(block int)
	end(block int) error
}

// readWatched is readLayers, with somebody who watches the layers; nil for nobody.
func (m *Model) readWatched(ctx context.Context, w watcher, all ...*reading) error {
	err := m.do(ctx, func(s *mlx.Scope) error {
		err := m.throughLayers(s, w, all)
		for _, r := range all {
			r.settle(err)
		}
		return err
	})
	if err != nil {
		for _, r := range all {
			r.free()
		}
	}
	return err
}

// throughLayers is the computation of readWatched.
func (m *Model) throughLayers(s *mlx.Scope, w watcher, all []*reading) error {
	for _, r := range all {
		if err := r.begin(s); err != nil {
			return err
		}
	}
	for i := range m.decoder.Blocks {
		m.fetch(i + 1)
		if w != nil {
			w.begin(i)
		}
		for _, r := range all {
			if err := r.block(s, i); err != nil {
				return err
			}
		}
		if err := m.sound(); err != nil {
			return err
		}
		if w != nil {
			if err := w.end(i); err != nil {
				return err
			}
		}
	}
	for _, r := range all {
		err := r.each(s, func(s *mlx.Scope, _ int, x *mlx.Array) *mlx.Array { return m.decoder.Norm.Apply(s, x) })
		if err != nil {
			return err
		}
	}
	return nil
}

// fetch asks for the weights of a layer that every token goes through; those of experts are not known yet.
func (m *Model) fetch(block int) {
	if block >= len(m.decoder.Blocks) {
		return
	}
	b := m.decoder.Blocks[block]
	for _, w := range append(b.Mixer.Mapped(), b.FeedForward.Mapped()...) {
		if !w.Stacked() {
			w.Each(m.weights.Need)
		}
	}
}

// begin looks the tokens up, and remembers the caches.
func (r *reading) begin(s *mlx.Scope) error {
	if !r.last {
		for i := range r.caches {
			r.before = append(r.before, r.caches[i].Fork(s))
		}
	}
	r.failed = errors.New("a step did not end")
	at := r.read
	for _, slice := range r.slices {
		ids := padded(s, slice)
		sight := r.sight(s, at, ids.Dim(1))
		at += ids.Dim(1)
		r.sights = append(r.sights, sight)
		r.states = append(r.states, s.Keep(r.model.decoder.Embed(s, ids, sight)))
	}
	return s.Eval(r.states...)
}

// block runs all slices through one layer.
func (r *reading) block(s *mlx.Scope, i int) error {
	cache := &r.caches[i]
	err := r.each(s, func(s *mlx.Scope, at int, x *mlx.Array) *mlx.Array {
		return r.model.decoder.Block(s, i, x, cache, r.sights[at])
	}, cache)
	if err != nil {
		return err
	}
	r.precision = r.precision.and(r.readPrecision(r.states[0]))
	if r.last {
		cache.Free()
	}
	return nil
}

// each replaces the states of every slice, whose number graph is given, and computes them with the caches
// that they change.
func (r *reading) each(s *mlx.Scope, graph func(*mlx.Scope, int, *mlx.Array) *mlx.Array, caches ...*layer.Cache) error {
	for i, x := range r.states {
		err := s.Nested(func(s *mlx.Scope) error {
			y := graph(s, i, x)
			wanted := []*mlx.Array{y}
			for _, c := range caches {
				wanted = append(wanted, c.Live()...)
			}
			if err := s.Eval(wanted...); err != nil {
				return err
			}
			x.Free()
			r.states[i] = s.Keep(y)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// settle ends a reading: after an error, the caches are as they were.
func (r *reading) settle(err error) {
	switch {
	case err == nil:
		r.failed = nil
	case r.last:
		r.failed = err
	case r.before != nil:
		r.caches, r.before, r.failed = r.before, r.caches, nil
	}
	if err == nil {
		for _, x := range r.states {
			r.read += x.Dim(1)
		}
	}
	r.sights = nil
	for i := range r.before {
		r.before[i].Free()
	}
	r.before = nil
}

// free gives the states back.
func (r *reading) free() {
	for _, x := range r.states {
		x.Free()
	}
	r.states = nil
}
