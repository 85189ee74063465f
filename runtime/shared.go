package runtime

import (
	"context"
	"time"
)

// GenerateShared answers requests that begin alike, each by the likeliest tokens: what Generate answers, but
// for rounding. What all of them begin with is read once, and each goes on from there. A request that cannot
// be answered has an error of its own, and does not end the others. At most two sequences are held at a time.
func (m *Model) GenerateShared(ctx context.Context, requests []GenerateOptions) []BatchAnswer {
	answers := make([]BatchAnswer, len(requests))
	rows := make([]*row, len(requests))
	var prompts [][]int
	for i, o := range requests {
		if o.hasPictures() {
			answers[i].Answer, answers[i].Err = m.Generate(ctx, o, nil)
			continue
		}
		if rows[i], answers[i].Err = m.newRow(ctx, o); answers[i].Err == nil {
			prompts = append(prompts, rows[i].answer.Prompt)
		}
	}
	base := m.NewSession()
	defer base.Close()
	shared := sharedBeginning(prompts)
	begin := time.Now()
	var err error
	if shared > 0 {
		_, err = base.Feed(ctx, prompts[0][:shared])
	}
	took := time.Since(begin).Seconds()
	for i, r := range rows {
		switch {
		case r == nil || answers[i].Err != nil:
		case err != nil:
			answers[i].Err = err
		default:
			r.goOn(ctx, base)
			r.answer.Prefill.Seconds += took
			answers[i] = BatchAnswer{r.answer, r.err}
		}
	}
	return answers
}

// sharedBeginning is how many tokens all sequences begin with, but for the last of each, which is left to be
// read.
func sharedBeginning(sequences [][]int) int {
	if len(sequences) == 0 {
		return 0
	}
	n := len(sequences[0])
	for _, ids := range sequences {
		n = min(n, commonPrefix(sequences[0], ids), len(ids)-1)
	}
	return n
}

// goOn answers the row after what a session has read of it.
func (r *row) goOn(ctx context.Context, base *Session) {
	begin := time.Now()
	if r.session, r.err = base.Fork(ctx); r.err != nil {
		return
	}
	defer r.session.Close()
	logits, err := r.session.Feed(ctx, r.answer.Prompt[base.Len():])
	r.answer.Prefill = Timing{len(r.answer.Prompt) - base.Len(), time.Since(begin).Seconds()}
	if err == nil {
		err = r.decode(ctx, logits, r.limit)
	}
	if r.err = err; err != nil {
		r.answer.Stop = StopInterrupted
	}
	r.answer.Precision = r.session.Precision()
}
