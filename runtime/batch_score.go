package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"qimport/runtime/mlx"
)

// BatchSequences is how many sequences are read side by side: a slice then has enough tokens of
// each to fill a block of logits and a chunk of the delta rule.
const BatchSequences = SliceTokens / scoreRows

// ScoreBatch reads sequences, each from its own beginning, and calls each with the logits
// [vocabulary] after every token of all of them. Several are read side by side: the calls for one
// sequence come in order, with calls for others between them. The logits are those of Session.Score,
// but for rounding. The slice is each's to keep; each must not use the model. The precision of what
// was read is returned, even with an error.
func (m *Model) ScoreBatch(ctx context.Context, sequences [][]int, each func(sequence, position int, logits []float32) error) (Precision, error) {
	var p Precision
	if err := m.checkAll(sequences); err != nil {
		return p, err
	}
	groups := sideBySide(sequences, 0)
	if m.byLayer(len(groups) + len(sequences[groups[0][0]])/SliceTokens) {
		return m.scoreByLayer(ctx, sequences, groups, each)
	}
	for _, members := range groups {
		x := m.newBatch()
		err := x.scoreMembers(ctx, sequences, members, each)
		x.free()
		p = p.and(x.precision)
		if err != nil {
			return p, err
		}
	}
	return p, nil
}

// checkAll refuses sequences that cannot be read, before any is. Which of several is told.
func (m *Model) checkAll(sequences [][]int) error {
	if len(sequences) == 0 {
		return errors.New("no tokens to read")
	}
	for i, ids := range sequences {
		if err := m.check(0, ids); err != nil {
			if len(sequences) > 1 {
				err = fmt.Errorf("sequence %d: %w", i, err)
			}
			return err
		}
	}
	return nil
}

// sideBySide says which sequences are read together: as many as a batch has, the longest first, and none with
// one more than twice as long, so that padding is never half of the work, unless it is spare tokens at most.
func sideBySide(sequences [][]int, spare int) [][]int {
	order := make([]int, len(sequences))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return len(sequences[b]) - len(sequences[a]) })
	var batches [][]int
	longest := 0
	for _, i := range order {
		last := len(batches) - 1
		short := 2*len(sequences[i]) < longest && longest-len(sequences[i]) > spare
		if last < 0 || len(batches[last]) == BatchSequences || short {
			batches, longest = append(batches, []int{i}), len(sequences[i])
			continue
		}
		batches[last] = append(batches[last], i)
	}
	return batches
}

// scoreByLayer is ScoreBatch with as many groups of sequences in one pass over the layers as it may have.
func (m *Model) scoreByLayer(ctx context.Context, sequences [][]int, groups [][]int, each func(int, int, []float32) error) (p Precision, err error) {
	for len(groups) > 0 && err == nil {
		var all []*reading
		for tokens := 0; len(groups) > len(all) && tokens < m.pass(); {
			members := groups[len(all)]
			x := m.newBatch()
			all = append(all, &reading{batch: &x, slices: slicesOf(sequences, members), last: true})
			tokens += len(members) * len(sequences[members[0]])
		}
		err = m.scorePass(ctx, all, groups, each)
		for _, r := range all {
			r.batch.free()
			p = p.and(r.precision)
		}
		groups = groups[len(all):]
	}
	return p, err
}

// scorePass reads what is in one pass and hands on the logits.
func (m *Model) scorePass(ctx context.Context, all []*reading, groups [][]int, each func(int, int, []float32) error) error {
	if err := m.readLayers(ctx, all...); err != nil {
		return err
	}
	for g, r := range all {
		defer r.free()
		from := 0
		for i, slice := range r.slices {
			err := m.do(ctx, func(s *mlx.Scope) error {
				return r.score(s, r.states[i], slice, func(row, at int, logits []float32) error {
					return each(groups[g][row], from+at, logits)
				})
			})
			if err != nil {
				return err
			}
			from += len(slice[0]) // the longest
		}
	}
	return nil
}

// slicesOf are the slices of the members among sequences, the longest first.
func slicesOf(sequences [][]int, members []int) (all [][][]int) {
	longest, width := len(sequences[members[0]]), SliceTokens/len(members)
	for from := 0; from < longest; from += width {
		slice := make([][]int, len(members))
		for row, i := range members {
			ids := sequences[i]
			slice[row] = ids[min(from, len(ids)):min(from+width, len(ids))]
		}
		all = append(all, slice)
	}
	return all
}

// scoreMembers reads the members among sequences, a slice of all of them at a time.
func (x *batch) scoreMembers(ctx context.Context, sequences [][]int, members []int, each func(int, int, []float32) error) error {
	from := 0
	for _, slice := range slicesOf(sequences, members) {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := x.run(slice, keepHidden, func(s *mlx.Scope, hidden *mlx.Array) error {
			return x.score(s, hidden, slice, func(row, at int, logits []float32) error {
				return each(members[row], from+at, logits)
			})
		})
		if err != nil {
			return err
		}
		from += len(slice[0]) // the longest
	}
	return nil
}
