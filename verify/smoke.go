package verify

import (
	"context"
	"fmt"
	"slices"

	"qimport/verify/report"
)

// openSteps open what the checks after them need: which these are depends on it.
func (r *run) openSteps() []step {
	return []step{
		{"smoke.vocabulary", r.checkVocabulary}, {"smoke.template", r.checkTemplate},
		{"smoke.turns", r.checkTurns}, {"smoke.thinking", r.checkThinking}, {"smoke.tools", r.checkTools},
	}
}

// smokeSteps are the checks that run the model, without anything to compare it with. Each opens what
// the ones after it need; those that judge every step of the model (finite, state, decay) come last.
func (r *run) smokeSteps() []step {
	steps := []step{{"smoke.load", r.checkLoad}, {"smoke.products", r.checkProducts}}
	e := r.effort()
	for _, n := range e.lengths {
		steps = append(steps, step{fmt.Sprintf("smoke.prefill.%d", n), func(ctx context.Context) report.Check {
			return r.checkPrefill(ctx, n, e)
		}})
	}
	steps = append(steps, r.towerSteps()...)
	for k, c := range r.cases() {
		for _, t := range c.asked() {
			steps = append(steps, step{"smoke.answer." + c.number(k, t), func(ctx context.Context) report.Check {
				return r.checkAnswer(ctx, k, t)
			}})
		}
	}
	steps = append(steps,
		step{"smoke.stops", r.checkStopped},
		step{"smoke.repetition", r.checkRepetition},
		step{"smoke.control", r.checkControl})
	if r.Tokens > 0 {
		steps = append(steps, step{"smoke.generation", r.checkGeneration})
	}
	if r.Needle > 0 {
		steps = append(steps, step{"smoke.needle", r.checkNeedle})
	}
	if r.headed() {
		steps = append(steps, step{"smoke.mtp", r.checkHead})
	}
	steps = append(steps, step{"smoke.finite", r.checkFinite})
	if r.hybrid() {
		steps = append(steps, step{"smoke.state", r.checkState}, step{"smoke.decay", r.checkDecay})
	}
	return steps
}

// hybrid says whether the model has delta states; one that did not open is taken to have them.
func (r *run) hybrid() bool {
	return r.source == nil || slices.Contains(r.source.Inventory().Config.FullAttention, false)
}

// checkFinite judges every row of logits that the checks before it have read.
func (r *run) checkFinite(context.Context) report.Check {
	if r.rows == 0 {
		return notRun("the model was not run")
	}
	return atMost(float64(r.broken), 0, fmt.Sprintf("of %d rows of logits, those with a NaN or an infinity", r.rows))
}
