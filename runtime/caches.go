package runtime

import (
	"fmt"

	"qimport/quant"
	"qimport/runtime/layer"
	"qimport/runtime/mlx"
)

// What sequences take beside the weights is known from their lengths before they are read, so that what has
// no room is refused, and memory is not taken from the machine's other programs until one of them is killed.

// CacheBytes is what the caches of so many sequences take once they are of that length: keys and values of
// every place, and the delta rule's states, whose size does not depend on it.
func (m *Model) CacheBytes(sequences, length int) int64 {
	if length == 0 {
		return 0
	}
	c, activation := m.Config, m.activation().Size()
	var all int64
	for _, full := range c.FullAttention {
		if full {
			all += layer.KVBytes(sequences, c.KVHeads, c.HeadDim, length, activation)
			continue
		}
		all += int64(sequences) * int64(c.LinearValueHeads) * int64(c.LinearValueHeadDim) * int64(c.LinearKeyHeadDim) * 4
	}
	return all
}

// activation is the dtype of activations and caches.
func (m *Model) activation() quant.Dtype { return m.compute().Activation() }

// compute is how the model computes, as far as memory goes.
func (m *Model) compute() layer.Compute {
	return layer.Compute{Mode: m.Placement.Mode, GPU: m.Info().Device == mlx.GPU}
}

// fits refuses tokens that are to follow those that so many sequences have read, each, in slices of so many
// of a sequence, where arrays would take more than they may: what MLX holds of all models, and what is to
// come. Of activations, only the scores of attention grow with what has been read.
func (m *Model) fits(sequences, read, more, slice int) error {
	limit := m.Placement.LimitBytes
	held := mlx.ReadMemory().Active
	grown := m.CacheBytes(sequences, read+more) - m.CacheBytes(sequences, read) +
		layer.ScoreBytes(m.compute(), m.Config.Heads, m.Config.HeadDim, sequences, min(more, slice), read+more)
	if limit == 0 || held+grown <= limit {
		return nil
	}
	return fmt.Errorf("%w: to read %d tokens after %d takes %s beside %s that are held, and arrays may take %s; give more with --memory, or shorten the text",
		ErrTooLarge, sequences*more, sequences*read, size(grown), size(held), size(limit))
}
