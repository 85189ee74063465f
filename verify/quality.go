package verify

import (
	"context"
	"fmt"
	"reflect"

	"qimport/arch"
	"qimport/verify/cost"
	"qimport/verify/report"
)

// qualitySteps are the checks against the reference. What was not asked for is not listed: with
// stored scores and no source, there are no tensors to compare.
func (r *run) qualitySteps() []step {
	var steps []step
	if r.Against != nil || r.Scores == "" {
		steps = append(steps, step{"quality.config", r.checkConfig},
			step{"quality.tensors", r.checkTensorErrors}, step{"quality.engaged", r.checkEngaged})
	}
	steps = append(steps,
		step{"quality.tokens", r.checkTokens},
		step{"quality.kl", r.checkKL},
		step{"quality.top1", r.checkTop1},
		step{"quality.perplexity", r.checkPerplexity},
		step{"quality.depth", r.checkDepth},
		step{"quality.reference", r.checkReference},
	)
	if r.comparesHeads() {
		steps = append(steps, step{"quality.mtp", r.checkHeadQuality})
	}
	if r.comparesSight() {
		steps = append(steps, step{"quality.features", r.checkFeatures})
		if r.shows {
			steps = append(steps, step{"quality.pictures", r.checkPictures})
		}
	}
	return steps
}

// checkConfig asks that the model computes as its source does: sizes, layers, rope, norms. Right
// numbers under another rope base are another model, and no comparison of tensors would show it.
func (r *run) checkConfig(context.Context) report.Check {
	if r.source == nil || r.Against == nil {
		return notRun("%s", r.noReference())
	}
	ours, theirs := arithmetic(r.source.Inventory().Config), arithmetic(r.Against.Inventory().Config)
	if ours.Tower.Depth == 0 || theirs.Tower.Depth == 0 { // one has no tower any more
		ours.Tower, theirs.Tower = arch.Tower{}, arch.Tower{}
	}
	if differences := differingFields(ours, theirs); len(differences) > 0 {
		return fail("config.json differs from the source's: %s", first(differences, "; "))
	}
	return pass("config.json means the same model as the source's")
}

// arithmetic is a config less what is no part of the text model's arithmetic.
func arithmetic(c arch.Config) arch.Config {
	c.Architecture, c.ThetaOnTop, c.MaxPositions, c.HeadDimUnsaid, c.HasVision, c.VisionChannels = "", false, 0, false, false, 0
	if c.Output == arch.HeadUnsaid {
		c.Output = arch.HeadOwn // if there is one, which the tensors tell
	}
	return c
}

// differingFields names the fields in which two configs differ, with both values.
func differingFields(ours, theirs arch.Config) []string {
	var differences []string
	a, b := reflect.ValueOf(ours), reflect.ValueOf(theirs)
	for i := range a.NumField() {
		if x, y := a.Field(i).Interface(), b.Field(i).Interface(); !reflect.DeepEqual(x, y) {
			differences = append(differences, fmt.Sprintf("%s is %+v, there %+v", a.Type().Field(i).Name, x, y))
		}
	}
	return differences
}

// checkTensorErrors compares every tensor with the source's. It finds what a mean over a text hides:
// one tensor of thousands whose scales are off.
func (r *run) checkTensorErrors(ctx context.Context) report.Check {
	if r.source == nil || r.Against == nil {
		return notRun("%s", r.noReference())
	}
	tensors, err := cost.Tensors(ctx, r.source, r.Against)
	if err != nil {
		return fail("%s", sentences(err))
	}
	r.report.Tensors = tensors
	worst, over := tensors[0], 0
	for _, t := range tensors {
		if t.Over() {
			over++
		}
	}
	if over > 0 {
		return atMost(worst.Error, worst.Limit, fmt.Sprintf("relative squared error; %d of %d tensors lost more than their format costs, the worst %s",
			over, len(tensors), worst.Name))
	}
	return atMost(worst.Error, worst.Limit, fmt.Sprintf("relative squared error of %d tensors, worst in %s (%s)", len(tensors), worst.Name, worst.Format))
}

// checkEngaged asks that quantization has changed what it was to change. Where it has not, the error of
// 0 is no praise: the numbers were rounded before, and what that cost is not in this report.
func (r *run) checkEngaged(context.Context) report.Check {
	if r.report.Tensors == nil {
		return notRun("no tensors were compared")
	}
	quantized := 0
	var untouched []string
	for _, t := range r.report.Tensors {
		if !t.Quantized {
			continue
		}
		quantized++
		if t.Error == 0 && !t.Zero {
			untouched = append(untouched, t.Name)
		}
	}
	if len(untouched) > 0 {
		return fail("%d of %d quantized tensors do not differ at all, the first %s: the source was quantized before, or is another one", len(untouched), quantized, untouched[0])
	}
	return pass("%d tensors were quantized, all of them differ from the source", quantized)
}

// noReference says why there is nothing to compare with.
func (r *run) noReference() string {
	if r.source == nil {
		return "the model did not open"
	}
	return "there is no source to compare with: name one with --against"
}
