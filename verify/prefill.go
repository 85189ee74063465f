package verify

import (
	"context"
	"fmt"
	"slices"

	"qimport/quant"
	"qimport/runtime"
	"qimport/verify/report"
	"qimport/verify/score"
)

// DefaultLengths are the prompt lengths at which prefill is held to token-by-token decoding: one
// token, both sides of a multiple of 32, and just past the sizes at which kernels and chunks change.
func DefaultLengths() []int { return []int{1, 31, 33, 513, 2049} }

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
	if asked == nil {
		asked = DefaultLengths()
	}
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

// stepped is a row of logits reached by decoding.
type stepped struct {
	logits []float32
	steps  int // of the tokens before it, how many were read singly
}

// Decoding one token at a time takes long. Past singleSteps, the tokens up to each length are
// prefilled but for the last steppedTail; the report says how many were stepped.
const (
	mostSteps   = 600
	steppedTail = 16
)

// singleSteps is how many tokens are decoded one at a time from the first one on. It goes by the size
// of the weights and not by the clock, so that the same model gets the same checks in every run:
// where memory is read at 20 GB/s it is about five seconds.
func singleSteps(weightBytes int64) int {
	const fiveSeconds = 100e9 // bytes
	return int(min(mostSteps, fiveSeconds/max(weightBytes, 1)))
}

// checkPrefill holds one prefill of n tokens to decoding them one by one.
func (r *run) checkPrefill(ctx context.Context, n int, lengths []int, note string) report.Check {
	if r.model == nil || r.language.Tokenizer == nil {
		return notRun("the model did not load")
	}
	read, err := r.readTexts(ctx)
	if err != nil {
		return notRun("%s", sentences(err))
	}
	ids := prompt(read[0], lengths[len(lengths)-1])
	if r.stepped == nil {
		if err := r.step(ctx, ids, lengths, singleSteps(r.model.Placement.WeightBytes)); err != nil {
			return notRun("token-by-token decoding: %s", sentences(err))
		}
	}
	var logits []float32
	var precision runtime.Precision
	err = r.session(func(x *runtime.Session) error {
		logits, err = r.feed(ctx, x, ids[:n])
		precision = x.Precision()
		return err
	})
	if err != nil {
		return notRun("prefill of %d tokens: %s", n, sentences(err))
	}
	want := r.stepped[n]
	return atMost(score.LargestDifference(logits, want.logits), prefillTolerance(precision), fmt.Sprintf(
		"largest difference of a log-probability, among the %d likeliest tokens, between one prefill and %d single steps%s", score.Likeliest, want.steps, note))
}

// The largest difference of a log-probability that prefill and decoding may show among the
// likeliest tokens. The small models differ by up to 1e-5 in float32, and by up to 1e-2 with a delta
// state in bf16, which prefill rounds more rarely than decoding; with activations in bf16 a model
// differs from its float32 self by up to 0.3.
const (
	prefillToleranceF32  = 2e-3
	prefillToleranceBF16 = 0.5
)

// prefillTolerance is by the dtype of the activations.
func prefillTolerance(p runtime.Precision) float64 {
	if p.Activations == quant.F32 {
		return prefillToleranceF32
	}
	return prefillToleranceBF16
}

// step decodes the text one token at a time and keeps the logits at each of the lengths, which are
// in order: the first most tokens, and the last ones of each.
func (r *run) step(ctx context.Context, ids, lengths []int, most int) error {
	r.stepped = map[int]stepped{}
	return r.session(func(x *runtime.Session) error {
		steps := 0
		for _, n := range lengths {
			var logits []float32
			for x.Len() < n {
				chunk := 1
				if steps >= most && n-x.Len() > steppedTail {
					chunk = n - x.Len() - steppedTail
				} else {
					steps++
				}
				var err error
				if logits, err = r.feed(ctx, x, ids[x.Len():x.Len()+chunk]); err != nil {
					return err
				}
			}
			r.stepped[n] = stepped{logits, steps}
		}
		return nil
	})
}
