package runtime

import (
	"context"
	"errors"

	"qimport/runtime/layer"
	"qimport/runtime/mlx"
)

// scoreRows is how many rows of logits are made at a time: a vocabulary is wide.
const scoreRows = 64

// batch is B sequences that a model reads side by side, as its caches hold them. All have the same
// length there: a shorter one is padded at its end, which changes nothing before it, since neither
// attention nor the delta rule looks ahead.
type batch struct {
	model     *Model
	caches    []layer.Cache
	precision Precision
	pictures  []placed // of the one sequence, those ahead included; none where there are several
	read      int      // places that the caches hold, of each sequence
	failed    error    // what left the caches in no known state
}

func (m *Model) newBatch() batch {
	return batch{model: m, caches: make([]layer.Cache, len(m.decoder.Blocks))}
}

// run reads one slice of every sequence, and is not interrupted. graph makes what is wanted of their
// normalised states [B, T, H]; that is computed together with the caches and handed to then. After an
// error before that, the caches may hold anything and are not used again.
func (x *batch) run(slice [][]int, graph func(*mlx.Scope, *mlx.Array) *mlx.Array, then func(*mlx.Scope, *mlx.Array) error) error {
	return x.model.do(context.Background(), func(s *mlx.Scope) error {
		x.failed = errors.New("a step did not end")
		wanted, err := x.forward(s, slice, graph)
		if x.failed = err; err != nil {
			return err
		}
		return then(s, wanted)
	})
}

// forward is the part of run after which the caches hold the tokens.
func (x *batch) forward(s *mlx.Scope, slice [][]int, graph func(*mlx.Scope, *mlx.Array) *mlx.Array) (*mlx.Array, error) {
	ids := padded(s, slice)
	hidden := x.model.decoder.Hidden(s, ids, x.caches, x.sight(s, x.read, ids.Dim(1)))
	wanted := graph(s, hidden)
	if err := s.Eval(append(x.live(), wanted)...); err != nil {
		return nil, err
	}
	if err := x.model.sound(); err != nil {
		return nil, err
	}
	x.precision = x.precision.and(x.readPrecision(hidden))
	x.read += ids.Dim(1)
	return wanted, nil
}

// padded is the tokens of a slice [B, T], shorter rows filled up with token 0.
func padded(s *mlx.Scope, slice [][]int) *mlx.Array {
	width := 0
	for _, ids := range slice {
		width = max(width, len(ids))
	}
	input := make([]int32, len(slice)*width)
	for row, ids := range slice {
		for i, id := range ids {
			input[row*width+i] = int32(id)
		}
	}
	return s.FromInt32(input, len(slice), width)
}

// keepHidden wants the states themselves.
func keepHidden(_ *mlx.Scope, hidden *mlx.Array) *mlx.Array { return hidden }

// score hands on the logits after every token of a slice, whose states are hidden [B, T, H]: row by
// row, at counting from the slice's beginning. Padding has none.
func (x *batch) score(s *mlx.Scope, hidden *mlx.Array, slice [][]int, each func(row, at int, logits []float32) error) error {
	for row, ids := range slice {
		states := s.SliceAxis(hidden, 0, row, row+1)
		for from := 0; from < len(ids); from += scoreRows {
			err := x.scoreRows(s, states, from, min(from+scoreRows, len(ids)), func(at int, logits []float32) error {
				return each(row, at, logits)
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// scoreRows hands on the logits of the states [from, end) of one sequence [1, T, H].
func (x *batch) scoreRows(s *mlx.Scope, states *mlx.Array, from, end int, each func(at int, logits []float32) error) error {
	return s.Nested(func(s *mlx.Scope) error {
		logits := s.Float32s(x.model.decoder.Logits(s, s.SliceAxis(states, 1, from, end)))
		if err := x.model.sound(); err != nil {
			return err
		}
		width := len(logits) / (end - from)
		for at := from; at < end; at++ {
			i := (at - from) * width
			if err := each(at, logits[i:i+width:i+width]); err != nil {
				return err
			}
		}
		return nil
	})
}

// live lists all arrays of the caches.
func (x *batch) live() []*mlx.Array {
	var all []*mlx.Array
	for i := range x.caches {
		all = append(all, x.caches[i].Live()...)
	}
	return all
}

// free gives the caches' arrays back.
func (x *batch) free() {
	for i := range x.caches {
		x.caches[i].Free()
	}
}
