package verify

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"qimport/arch/files"
	"qimport/convert/source"
	"qimport/runtime/model"
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
	return append(steps,
		step{"quality.tokens", r.checkTokens},
		step{"quality.kl", r.checkKL},
		step{"quality.top1", r.checkTop1},
		step{"quality.perplexity", r.checkPerplexity},
		step{"quality.depth", r.checkDepth},
		step{"quality.reference", r.checkReference},
	)
}

// checkConfig asks that the model computes as its source does: sizes, layers, rope, norms.
func (r *run) checkConfig(context.Context) report.Check {
	if r.source == nil || r.Against == nil {
		return notRun("%s", r.noReference())
	}
	ours, err := readConfig(r.source)
	if err != nil {
		return fail("%s", sentences(err))
	}
	theirs, err := readConfig(r.Against)
	if err != nil {
		return notRun("in the source: %s", sentences(err))
	}
	if differences := differingFields(ours, theirs); len(differences) > 0 {
		return fail("config.json differs from the source's: %s", strings.Join(differences, "; "))
	}
	return pass("config.json means the same model as the source's")
}

// readConfig is what config.json means to the runtime, less what is no part of the arithmetic.
func readConfig(s *source.Source) (model.Config, error) {
	b, err := s.File(files.Config)
	if err != nil {
		return model.Config{}, err
	}
	c, err := model.ParseConfig(b)
	c.MaxPositions = 0
	return c, err
}

// differingFields names the fields in which two configs differ, with both values.
func differingFields(ours, theirs model.Config) []string {
	var differences []string
	a, b := reflect.ValueOf(ours), reflect.ValueOf(theirs)
	for i := range a.NumField() {
		if x, y := a.Field(i).Interface(), b.Field(i).Interface(); !reflect.DeepEqual(x, y) {
			differences = append(differences, fmt.Sprintf("%s is %+v, there %+v", a.Type().Field(i).Name, x, y))
		}
	}
	return differences
}

// checkTensorErrors compares every tensor with the source's.
func (r *run) checkTensorErrors(ctx context.Context) report.Check {
	if r.source == nil || r.Against == nil {
		return notRun("%s", r.noReference())
	}
	matched, alone := pairs(r.source, r.Against)
	if len(alone) > 0 || len(matched) == 0 {
		return fail("the source has no %s", strings.Join(alone[:min(5, len(alone))], ", "))
	}
	tensors, err := tensorErrors(ctx, matched)
	if err != nil {
		return fail("%s", sentences(err))
	}
	r.report.Tensors = tensors
	var over []string
	for _, t := range tensors {
		if t.Over() {
			over = append(over, t.Name)
		}
	}
	worst := tensors[0]
	if len(over) > 0 {
		c := atMost(worst.Error, worst.Limit, fmt.Sprintf("%d of %d tensors differ from the source by more than their format costs: %s",
			len(over), len(tensors), strings.Join(over[:min(5, len(over))], ", ")))
		c.Detail += "; relative squared error of the first"
		return c
	}
	return atMost(worst.Error, worst.Limit, fmt.Sprintf("relative squared error of %d tensors, worst in %s (%s)", len(tensors), worst.Name, worst.Format))
}

// checkEngaged asks that quantization has changed what it was to change.
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
		return fail("no difference at all in %d of %d quantized tensors, the first %s: the source was quantized before, or these are not its numbers", len(untouched), quantized, untouched[0])
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
