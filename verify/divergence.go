package verify

import (
	"context"
	"errors"
	"fmt"
	"math"

	"qimport/arch"
	"qimport/verify/cost"
	"qimport/verify/language"
	"qimport/verify/report"
	"qimport/verify/score"
)

// checkTokens asks that both models read the texts as the same tokens. Rows over different tokens
// cannot be compared, so nothing after it is measured where they do not.
func (r *run) checkTokens(ctx context.Context) report.Check {
	if r.language.Tokenizer == nil {
		return notRun("the tokenizer did not load")
	}
	ours, err := r.readTexts(ctx)
	if err != nil {
		return fail("%s", sentences(err))
	}
	switch {
	case r.Scores != "":
		return r.checkScoreTokens(ours)
	case r.Against == nil:
		return notRun("%s", r.noReference())
	}
	theirs, err := language.Read(r.Against, r.Against.Inventory().Chat)
	if err != nil {
		return notRun("in the source: %s", sentences(err))
	}
	want, err := r.encodeTexts(ctx, theirs)
	if err != nil {
		return notRun("in the source: %s", sentences(err))
	}
	if want = r.fit(want); !ours.Equal(want) {
		return fail("the model's tokenizer and template read the text otherwise than the source's: %s", ours.Difference(want))
	}
	return pass("%s, %s", ours.Size(), report.ShortDigest(ours.Digest()))
}

// checkScoreTokens holds stored scores to the text and vocabulary: their model is not there to be asked.
func (r *run) checkScoreTokens(ours score.Texts) report.Check {
	s, err := score.Open(r.Scores)
	if err != nil {
		return fail("%s", sentences(err))
	}
	defer s.Close()
	if rows := r.source.Inventory().Config.VocabSize; s.Vocab != rows {
		return fail("the stored scores are over %d tokens, the model over %d: they are of another model", s.Vocab, rows)
	}
	if !ours.Equal(s.Texts) {
		return fail("the stored scores are of another text, or of another tokenizer: %s", ours.Difference(s.Texts))
	}
	return pass("%s, %s, as the stored scores have them", ours.Size(), report.ShortDigest(ours.Digest()))
}

// checkKL runs the comparison that the checks after it read.
func (r *run) checkKL(ctx context.Context) report.Check {
	if c, ok := r.report.Check("quality.tokens"); !ok || c.Passed != report.Passed {
		return notRun("the two do not read the same tokens")
	}
	d, err := r.compare(ctx)
	if errors.Is(err, score.ErrNotFinite) {
		return fail("%s", sentences(err))
	}
	if err != nil {
		return notRun("%s", sentences(err))
	}
	r.report.Divergence = &d
	if d.NonFinite > 0 {
		return fail("%d of %d positions are not finite", d.NonFinite, d.Positions)
	}
	if d.MaxKL < roundingKL && r.changed() {
		return fail("no difference at all from the reference, though formats differ: it was not what ran, or nothing was quantized")
	}
	return atMost(d.MeanKL, r.bounds().KL, fmt.Sprintf("mean KL divergence from the reference, ± %.1g nats; p99 %.3g, max %.3g", d.StdErr, d.P99KL, d.MaxKL))
}

// roundingKL is more than two runs of the same numbers differ by: in another format they are summed in
// another order, which is off by 2e-12, and a tensor of 8 bits by more than 1e-7.
const roundingKL = 1e-10

// changed says whether any text tensor has another format than in the reference, as far as known.
func (r *run) changed() bool {
	for _, t := range r.report.Tensors {
		if body := arch.Body(t.Name); t.Quantized && arch.RoleOf(body) != arch.Vision && !arch.IsMTP(body) {
			return true
		}
	}
	return false
}

// bounds are the limits in force: of the coarsest format that differs from the reference's.
func (r *run) bounds() cost.Bounds {
	b := cost.Identical()
	for f := range cost.Lossy(r.source, r.Against) {
		if of, err := cost.BoundsOf(f); err == nil {
			b = b.Wider(of)
		}
	}
	return r.Limits.over(b)
}

// divergence is what checkKL measured, or nil with the check that says so.
func (r *run) divergence() (*report.Divergence, report.Check) {
	if r.report.Divergence == nil {
		return nil, notRun("nothing was compared")
	}
	return r.report.Divergence, report.Check{}
}

// checkTop1 holds the model to choosing the tokens that its source chooses. Where many tokens are about
// as likely this falls first; where one is all but certain, the KL divergence does.
func (r *run) checkTop1(context.Context) report.Check {
	d, missing := r.divergence()
	if d == nil {
		return missing
	}
	return atLeast(d.Top1, r.bounds().Top1, "share of positions where both hold the same token likeliest")
}

// checkPerplexity judges the change by position, in which the text's own difficulty cancels out.
func (r *run) checkPerplexity(context.Context) report.Check {
	d, missing := r.divergence()
	if d == nil {
		return missing
	}
	return atMost(d.PerplexityChange, r.bounds().Perplexity,
		fmt.Sprintf("relative increase of perplexity, %.4g to %.4g, ± %.1g", d.ReferencePerplexity, d.Perplexity, d.PerplexityStdErr))
}

// checkDepth holds the deepest bucket of the text to the limit of the whole: drift with position
// would hide in the mean.
func (r *run) checkDepth(context.Context) report.Check {
	d, missing := r.divergence()
	if d == nil {
		return missing
	}
	first, last := d.ByDepth[0], d.ByDepth[len(d.ByDepth)-1]
	return atMost(last.MeanKL-2*last.StdErr, r.bounds().KL, fmt.Sprintf(
		"mean KL of positions %d to %d less two standard errors; the first %d have %.3g", last.From, last.To-1, first.To, first.MeanKL))
}

// checkReference asks whether the reference is one. It must do better than guessing, and where the
// copy does better than it beyond noise, it is the reference that is broken, or was read wrongly.
func (r *run) checkReference(context.Context) report.Check {
	d, missing := r.divergence()
	if d == nil {
		return missing
	}
	guessing := float64(r.source.Inventory().Config.VocabSize)
	if !(d.ReferencePerplexity < guessing) {
		return atMost(d.ReferencePerplexity, guessing, "perplexity of the reference, no better than guessing: it is broken, or the text is not of its kind; name another with --text")
	}
	c := pass("the reference's perplexity is %.4g, and the model's does not fall below it beyond noise", d.ReferencePerplexity)
	const beyond = 3 // standard errors
	if d.PerplexityChange < -0.01 && -d.PerplexityChange > beyond*d.PerplexityStdErr {
		c.Warning = fmt.Sprintf("the model's perplexity is %.2f%% lower than its reference's, %.0f standard errors: the reference is broken, or was read wrongly",
			-100*d.PerplexityChange, math.Abs(d.PerplexityChange/d.PerplexityStdErr))
		c.Detail = "perplexity is below the reference's"
	}
	return c
}
