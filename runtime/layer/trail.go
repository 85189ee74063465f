package layer

import "qimport/runtime/mlx"

// deltaState is what a DeltaCache was after a token.
type deltaState struct{ conv, state, decay *mlx.Array }

func (d deltaState) free() {
	d.conv.Free()
	d.state.Free()
	d.decay.Free()
}

// singly is mix of one token after the other, and keeps the states after each.
func (d *DeltaNet) singly(s *mlx.Scope, x *mlx.Array, cache *DeltaCache) *mlx.Array {
	var out []*mlx.Array
	mix := d.mixer(1)
	for at := range x.Shape()[1] {
		out = append(out, mix(s, s.SliceAxis(x, 1, at, at+1), cache))
		cache.trail = append(cache.trail, deltaState{again(s, cache.conv), again(s, cache.state), again(s, cache.decay)})
	}
	return s.Concatenate(1, out...)
}

// again is a second handle on an array. While there are two, nothing is computed in its place.
func again(s *mlx.Scope, a *mlx.Array) *mlx.Array { return s.Keep(s.AsType(a, a.Dtype())) }

// Rewind makes the cache what it was n tokens before, of those that were read last, with Trail set. That
// is unset.
func (c *Cache) Rewind(n int) {
	if c.KV.keys != nil {
		c.KV.length -= n // what lies behind is written over
	}
	d := &c.Delta
	for i, was := range d.trail {
		if n > 0 && i == len(d.trail)-1-n {
			deltaState{d.conv, d.state, d.decay}.free()
			d.conv, d.state, d.decay = was.conv, was.state, was.decay
			d.read -= n
			continue
		}
		was.free()
	}
	d.trail, c.Trail = nil, false
}
