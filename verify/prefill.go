package verify

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/dustin/go-humanize/english"

	"qimport/runtime"
	"qimport/verify/report"
	"qimport/verify/score"
)

// DefaultLengths are the prompt lengths at which prefill is held to token-by-token decoding: one
// token, a few, both sides of a multiple of 32, and just past the sizes at which kernels and chunks
// change. The last is left out where the model would take long to read it.
func DefaultLengths() []int { return []int{1, 3, 31, 33, 513, 2049} }

// prompt is n ids: the text, from its start again where it is too short.
func prompt(text []int, n int) []int {
	ids := make([]int, 0, n+len(text))
	for len(ids) < n {
		ids = append(ids, text...)
	}
	return ids[:n]
}

// prefillLengths are the lengths asked for that fit into the context, each once, in order, and a
// sentence about those that do not.
func prefillLengths(asked []int, context int) (lengths []int, note string) {
	lengths = slices.Compact(slices.Sorted(slices.Values(asked)))
	fit := len(lengths)
	for context > 0 && fit > 0 && lengths[fit-1] > context {
		fit--
	}
	if fit < len(lengths) {
		note = fmt.Sprintf("; lengths %v are past the context of %d and were left out", lengths[fit:], context)
	}
	return lengths[:fit], note
}

// stepped is what single steps and the longest prefill said.
type stepped struct {
	logits  map[int][]float32 // after so many tokens, the last of them read singly
	longest compared          // of the prefill whose slices the steps lie between
}

// checkPrefill holds one prefill of n tokens to decoding them one by one, wherever single steps are.
func (r *run) checkPrefill(ctx context.Context, n int, e effort) report.Check {
	if r.model == nil || r.language.Tokenizer == nil {
		return notRun("the model did not load")
	}
	read, err := r.readTexts(ctx)
	if err != nil {
		return notRun("%s", sentences(err))
	}
	longest := e.lengths[len(e.lengths)-1]
	ids := prompt(read[0], longest)
	if r.stepped == nil {
		if err := r.step(ctx, ids, e.segments); err != nil {
			return notRun("token-by-token decoding: %s", sentences(err))
		}
	}
	c := r.stepped.longest
	if n < longest {
		if c, err = r.prefill(ctx, ids[:n], nil); err != nil {
			return notRun("prefill of %d tokens: %s", n, sentences(err))
		}
	}
	return c.judge(fmt.Sprintf("one prefill and %s%s", english.Plural(len(c.apart), "single step", ""), e.note))
}

// step runs single steps, segment by segment, and beside them the prefill that each begins from.
func (r *run) step(ctx context.Context, ids []int, segments []segment) error {
	r.stepped = &stepped{logits: map[int][]float32{}}
	var err error
	r.stepped.longest, err = r.prefill(ctx, ids, segments)
	return err
}

// prefill reads tokens at once, and compares its logits with those of single steps wherever there are any.
// From where the segments begin it makes these steps, in a session that goes another way from there.
func (r *run) prefill(ctx context.Context, ids []int, segments []segment) (c compared, err error) {
	err = r.session(func(x *runtime.Session) error {
		for _, s := range segments {
			if err := r.compareAt(ctx, x, ids[x.Len():s.from], r.stepped.logits, &c); err != nil {
				return err
			}
			if err := r.single(ctx, x, ids[s.from:s.from+s.n], r.stepped.logits); err != nil {
				return err
			}
		}
		err := r.compareAt(ctx, x, ids[x.Len():], r.stepped.logits, &c)
		c.precision, c.experts = x.Precision(), r.model.Config.Experts > 0
		return err
	})
	return c, err
}

// compareAt lets the session read on, and compares with the logits of single steps on the way.
func (r *run) compareAt(ctx context.Context, x *runtime.Session, ids []int, stepped map[int][]float32, c *compared) error {
	if len(ids) == 0 {
		return nil
	}
	places := slices.Sorted(maps.Keys(stepped))
	return x.FeedAt(ctx, ids, places, func(place int, logits []float32) error {
		r.look(logits)
		c.apart = append(c.apart, score.LargestDifference(logits, stepped[place]))
		return nil
	})
}

// single reads tokens one at a time, from where the session is, and keeps the logits after each by how many
// tokens were read.
func (r *run) single(ctx context.Context, from *runtime.Session, ids []int, logits map[int][]float32) error {
	x, err := from.Fork(ctx)
	if err != nil {
		return err
	}
	defer x.Close()
	for _, id := range ids {
		row, err := x.Step(ctx, id)
		if err != nil {
			return err
		}
		r.look(row)
		logits[x.Len()] = row
	}
	r.seen = r.seen.with(x.Precision())
	return nil
}
