package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"qimport/runtime/mlx"
)

// BatchAnswer is what came of one of several requests.
type BatchAnswer struct {
	Answer
	Err error
}

// sparePrompt is by how many tokens a prompt may be shorter than another that it is answered beside: to read
// so many is less than to answer alone.
const sparePrompt = 64

// GenerateBatch answers requests, each from its own beginning and by the likeliest tokens: what Generate
// answers, but for rounding. Several are read and answered side by side; which, changes nothing in what is
// answered. One with pictures is answered alone. A request that cannot be answered has an error of its own,
// and does not end the others.
func (m *Model) GenerateBatch(ctx context.Context, requests []GenerateOptions) []BatchAnswer {
	answers := make([]BatchAnswer, len(requests))
	var rows []*row
	var prompts [][]int
	for i, o := range requests {
		if o.hasPictures() {
			answers[i].Answer, answers[i].Err = m.Generate(ctx, o, nil)
			continue
		}
		r, err := m.newRow(ctx, o)
		answers[i].Err = err
		if err != nil {
			continue
		}
		r.index = i
		rows, prompts = append(rows, r), append(prompts, r.answer.Prompt)
	}
	for _, members := range sideBySide(prompts, sparePrompt) {
		group := make([]*row, len(members))
		for at, member := range members {
			group[at] = rows[member]
		}
		m.answerTogether(ctx, group)
		for _, r := range group {
			answers[r.index] = BatchAnswer{r.answer, r.err}
		}
	}
	return answers
}

// row is one request among those of a batch.
type row struct {
	*generation
	index    int     // among the requests
	limit    int     // of its answer's tokens
	next     int     // the token that was chosen last, and
	chance   float32 // the logarithm of its probability
	hopeless func(Answer) bool
	ended    bool
	err      error
}

// newRow reads one request; the model is not run.
func (m *Model) newRow(ctx context.Context, o GenerateOptions) (*row, error) {
	if !newSampler(o.Sampling).greedy() {
		return nil, errors.New("answers side by side are made of the likeliest tokens; ask one by one for others")
	}
	p, err := m.prompt(ctx, o, nil)
	if err == nil {
		err = m.check(0, p.ids)
	}
	if err != nil {
		return nil, err
	}
	r := &row{generation: m.newGeneration(o, nil), hopeless: o.Hopeless}
	r.answer.Prompt = p.ids
	r.limit, err = m.room(p.ids, o.MaxTokens)
	return r, err
}

// answerTogether answers the rows of one batch. Each leaves it when its answer ends.
func (m *Model) answerTogether(ctx context.Context, rows []*row) {
	x := &answering{batch: m.newBatch(), rows: slices.Clone(rows)}
	defer x.free()
	begin := time.Now()
	err := x.prefill(ctx)
	for _, r := range rows {
		r.answer.Prefill = Timing{len(r.answer.Prompt), time.Since(begin).Seconds()}
	}
	begin = time.Now()
	for err == nil && x.advance() {
		if err = ctx.Err(); err == nil {
			err = x.step()
		}
		for _, r := range rows {
			if !r.ended {
				r.answer.Decode.Seconds = time.Since(begin).Seconds()
			}
		}
	}
	for _, r := range rows {
		r.answer.Precision = x.precision
		if !r.ended {
			r.err = err
		}
		if r.err != nil {
			r.answer.Stop = StopInterrupted
		}
	}
}

// answering is a batch of which each sequence is a row, in that order.
type answering struct {
	batch
	rows []*row
}

// prefill reads the prompts, a slice of all of them at a time, and chooses what follows. They end side by
// side: before a shorter one stands its own first token, as padding.
func (x *answering) prefill(ctx context.Context) error {
	length := 0
	for _, r := range x.rows {
		length = max(length, len(r.answer.Prompt))
	}
	padding, filled := make([]int, len(x.rows)), make([][]int, len(x.rows))
	for i, r := range x.rows {
		padding[i] = length - len(r.answer.Prompt)
		filled[i] = append(slices.Repeat(r.answer.Prompt[:1], padding[i]), r.answer.Prompt...)
	}
	for i := range x.caches {
		x.caches[i].Padding = padding
	}
	width := SliceTokens / len(x.rows)
	if err := x.model.fits(len(filled), 0, length, width); err != nil {
		return err
	}
	var all [][][]int
	for from := 0; from < length; from += width {
		slice := make([][]int, len(filled))
		for i := range filled {
			slice[i] = filled[i][from:min(from+width, length)]
		}
		all = append(all, slice)
	}
	return x.readAll(ctx, all)
}

// readAll reads the slices of the prompts, through one layer after the other where that spares reading
// weights again, and chooses what follows the last.
func (x *answering) readAll(ctx context.Context, all [][][]int) error {
	if x.model.byLayer(len(all)) {
		pass := max(x.model.pass()/SliceTokens, 1)
		for len(all) > 0 {
			n := min(pass, len(all))
			if err := x.readPass(ctx, all[:n], n == len(all)); err != nil {
				return err
			}
			all = all[n:]
		}
		return nil
	}
	for i, slice := range all {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := x.read(slice, i == len(all)-1); err != nil {
			return err
		}
	}
	return nil
}

// readPass reads slices in one pass over the layers, and may choose what follows the last.
func (x *answering) readPass(ctx context.Context, all [][][]int, choose bool) error {
	r := &reading{batch: &x.batch, slices: all}
	if err := x.model.readLayers(ctx, r); err != nil {
		return err
	}
	defer r.free()
	if !choose {
		return nil
	}
	return x.model.do(ctx, func(s *mlx.Scope) error {
		x.choose(s, x.weighed(s, r.states[len(all)-1]))
		return nil // do asks whether weights were there
	})
}

// weighed chooses a token for every row.
func (x *answering) weighed(s *mlx.Scope, hidden *mlx.Array) *mlx.Array {
	return weighed(s, x.lastLogits(s, hidden, x.model.Tokenizer.Size()))
}

// choose gives every row the token that was chosen for it.
func (x *answering) choose(s *mlx.Scope, chosen *mlx.Array) {
	pairs := s.Float32s(chosen)
	for i, r := range x.rows {
		r.next, r.chance = int(pairs[2*i]), pairs[2*i+1]
	}
}

// read reads a slice of every row, and may choose the token that follows.
func (x *answering) read(slice [][]int, choose bool) error {
	if !choose {
		return x.run(slice, keepHidden, func(*mlx.Scope, *mlx.Array) error { return nil })
	}
	return x.run(slice, x.weighed, func(s *mlx.Scope, chosen *mlx.Array) error {
		x.choose(s, chosen)
		return nil
	})
}

// advance makes the token that was chosen for each row part of its answer. False if all have ended.
func (x *answering) advance() bool {
	for _, r := range x.rows {
		r.advance()
	}
	return slices.ContainsFunc(x.rows, func(r *row) bool { return !r.ended })
}

// advance makes the token that was chosen for the row part of its answer.
func (r *row) advance() {
	if r.next < 0 {
		r.ended = true
		r.err = fmt.Errorf("after %d tokens: %w", len(r.answer.Prompt)+len(r.answer.Tokens), ErrNotFinite)
		return
	}
	r.ended = r.take(r.next, r.limit)
	if r.answer.Stop != StopEOS {
		r.answer.Chances = append(r.answer.Chances, r.chance)
	}
	if !r.ended && r.hopeless != nil && r.hopeless(r.answer) {
		r.ended = true
		r.answer.Stop = StopHopeless
		r.flush()
	}
}

// step reads the tokens chosen last and chooses the next, once the rows that have ended are dropped.
func (x *answering) step() error {
	if err := x.drop(); err != nil {
		return err
	}
	slice := make([][]int, len(x.rows))
	for i, r := range x.rows {
		slice[i] = []int{r.next}
	}
	return x.read(slice, true)
}

// drop leaves only the rows that have not ended.
func (x *answering) drop() error {
	var left []int
	var rows []*row
	for i, r := range x.rows {
		if !r.ended {
			left, rows = append(left, i), append(rows, r)
		}
	}
	if len(left) == len(x.rows) {
		return nil
	}
	x.rows = rows
	return x.model.do(context.Background(), func(s *mlx.Scope) error {
		for i := range x.caches {
			x.caches[i].Select(s, left)
		}
		return s.Eval(x.live()...)
	})
}
