package layer

import (
	"qimport/quant"
	"qimport/runtime/mlx"
)

// kvStep is by how many positions a KV cache grows.
const kvStep = 256

// KVCache holds the keys and values of all positions so far: [B, nkv, capacity, D], of which the
// first Len positions are used. The zero value is empty.
type KVCache struct {
	keys, values *mlx.Array
	length       int
}

// Len is the number of positions held.
func (c *KVCache) Len() int { return c.length }

// KVBytes is what KV caches of so many sequences take that hold length positions, of elements of that many
// bytes.
func KVBytes(sequences, heads, dim, length, elementBytes int) int64 {
	return 2 * int64(sequences) * int64(heads) * int64(dim) * int64(roomFor(length)) * int64(elementBytes)
}

// roomFor is how many positions a cache has room for that holds n.
func roomFor(n int) int { return (n + kvStep - 1) / kvStep * kvStep }

// Append adds T positions and returns keys and values of all of them, [B, nkv, Len, D].
func (c *KVCache) Append(s *mlx.Scope, k, v *mlx.Array) (keys, values *mlx.Array) {
	t := k.Shape()[2]
	keys = appendPositions(s, &c.keys, k, c.length)
	values = appendPositions(s, &c.values, v, c.length)
	c.length += t
	return keys, values
}

// reserve makes room in a buffer [B, nkv, capacity, D], of which the first at positions are used, for end of them.
func reserve(s *mlx.Scope, buffer **mlx.Array, dtype quant.Dtype, b, heads, at, end, d int) {
	old := *buffer
	if old != nil && old.Dim(2) >= end {
		return
	}
	grown := s.Zeros(dtype, b, heads, roomFor(end), d)
	if old != nil {
		used := s.SliceAxis(old, 2, 0, at)
		grown = s.SliceUpdate(grown, used, []int{0, 0, 0, 0}, []int{b, heads, at, d}, nil)
	}
	replace(s, buffer, grown)
}

// appendPositions writes x at position at of the buffer, which grows if it must, and returns the
// part that is used. The old buffer's handle is freed before evaluation, so that MLX may write
// into its memory instead of copying it.
func appendPositions(s *mlx.Scope, buffer **mlx.Array, x *mlx.Array, at int) *mlx.Array {
	shape := x.Shape() // [B, nkv, T, D]
	b, heads, end, d := shape[0], shape[1], at+shape[2], shape[3]
	reserve(s, buffer, x.Dtype(), b, heads, at, end, d)
	replace(s, buffer, s.SliceUpdate(*buffer, x, []int{0, 0, at, 0}, []int{b, heads, end, d}, nil))
	return s.SliceAxis(*buffer, 2, 0, end)
}

// replace lets *slot own a rather than what it had.
func replace(s *mlx.Scope, slot **mlx.Array, a *mlx.Array) {
	s.Keep(a)
	if *slot != nil {
		(*slot).Free()
	}
	*slot = a
}

// DeltaCache is what a Gated DeltaNet layer carries on, its size independent of length. The zero
// value is the beginning: both states zero.
type DeltaCache struct {
	conv  *mlx.Array // [B, K-1, Cd]: the last inputs of the convolution, as activations
	state *mlx.Array // [B, nv, dv, dk]
	decay *mlx.Array // [B, .., nv]: the decays of the last step, kept to show their dtype
	read  int        // positions so far
	trail []deltaState
}

// carry lets the cache own what an operation has made of it.
func (c *DeltaCache) carry(s *mlx.Scope, conv, state, decay *mlx.Array) {
	replace(s, &c.conv, conv)
	replace(s, &c.state, state)
	replace(s, &c.decay, decay)
}

// Cache is the memory of one layer: one of its parts is used.
type Cache struct {
	KV      KVCache
	Delta   DeltaCache
	Padding Padding
	// Shift is by how much the positions of tokens are less than their places: pictures take fewer
	// positions than places. Turns, unless nil, are the positions of the tokens that come next.
	Shift int
	Turns *Turns
	// Trail keeps what the cache is after each of the tokens that come next, for Rewind.
	Trail bool
}

// arrays lists what the cache owns.
func (c *Cache) arrays() []**mlx.Array {
	return []**mlx.Array{&c.KV.keys, &c.KV.values, &c.Delta.conv, &c.Delta.state, &c.Delta.decay}
}

// Live lists the arrays that hold the cache's content.
func (c *Cache) Live() []*mlx.Array {
	var live []*mlx.Array
	for _, a := range c.arrays() {
		if *a != nil {
			live = append(live, *a)
		}
	}
	for _, was := range c.Delta.trail {
		live = append(live, was.conv, was.state, was.decay)
	}
	return live
}

// Free gives the arrays back; the cache is then empty.
func (c *Cache) Free() {
	for _, a := range c.Live() {
		a.Free()
	}
	*c = Cache{}
}

// Fork is a second cache of the same content. Arrays are shared until one of the two goes on.
func (c *Cache) Fork(s *mlx.Scope) Cache {
	f := *c
	for _, a := range f.arrays() {
		if *a != nil {
			*a = s.Keep(s.Copy(*a))
		}
	}
	return f
}

// Select leaves only the sequences of these rows, in that order.
func (c *Cache) Select(s *mlx.Scope, rows []int) {
	index := s.FromInt32(int32s(rows), len(rows))
	for _, a := range c.arrays() {
		if *a != nil {
			replace(s, a, s.Take(*a, index, 0))
		}
	}
	c.Padding = c.Padding.pick(rows)
}

// Precision is the dtypes of a Gated DeltaNet's states as the live arrays have them; ok is false
// where the layer has not run, or has none.
func (c *Cache) Precision() (state, decay, conv quant.Dtype, ok bool) {
	if c.Delta.state == nil {
		return state, decay, conv, false
	}
	return c.Delta.state.Dtype(), c.Delta.decay.Dtype(), c.Delta.conv.Dtype(), true
}

// Dtype is that of the keys and values held; ok is false while there are none.
func (c *KVCache) Dtype() (d quant.Dtype, ok bool) {
	if c.keys == nil {
		return d, false
	}
	return c.keys.Dtype(), true
}
