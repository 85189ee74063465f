package verify

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"qimport/arch"
	"qimport/quant"
	"qimport/runtime"
	"qimport/verify/report"
)

// compare runs the texts through the reference, or reads the reference's stored scores, beside the
// model's own. Only one model is in memory at a time.
func (r *run) compare(ctx context.Context) (report.Divergence, error) {
	own, err := r.ownScores(ctx)
	if err != nil {
		return report.Divergence{}, err
	}
	if r.Scores != "" {
		return r.compareScores(ctx, own)
	}
	r.unload()
	o := r.Runtime
	o.StateDtype, o.DecayDtype = quant.F32, quant.F32
	reference, err := load(ctx, r.Against, o)
	if err != nil {
		return report.Divergence{}, fmt.Errorf("the source did not load: %w", err)
	}
	defer reference.Close()
	positions, err := scored(ctx, reference, own)
	return r.divergenceOf(positions, own, r.referenceName()), err
}

// referenceName names the source that ran. One that is quantized itself is no original, and what
// was lost before it does not show.
func (r *run) referenceName() string {
	inv := r.Against.Inventory()
	name := r.Provenance.Against
	if name == "" {
		name = filepath.Base(inv.Origin)
	}
	for _, t := range inv.Tensors {
		if t.Role != arch.Vision && t.Format.IsQuantized() {
			return name + " (itself quantized)"
		}
	}
	return name
}

// compareScores compares with the stored scores of the reference.
func (r *run) compareScores(ctx context.Context, own *scores) (report.Divergence, error) {
	reference, err := openScores(r.Scores)
	if err != nil {
		return report.Divergence{}, err
	}
	defer reference.close()
	positions := make([][]position, len(own.texts))
	for text, ids := range own.texts {
		for i, next := range ids[1:] {
			if err := ctx.Err(); err != nil {
				return report.Divergence{}, err
			}
			row := own.texts.row(text, i)
			theirs, err := reference.row(row)
			if err != nil {
				return report.Divergence{}, err
			}
			ours, err := own.row(row)
			if err != nil {
				return report.Divergence{}, err
			}
			positions[text] = append(positions[text], comparePosition(theirs, ours, next))
		}
	}
	return r.divergenceOf(positions, own, "scores of "+reference.metadata["model"]), nil
}

// scored prefills the texts through the reference, and compares each row with the model's own.
func scored(ctx context.Context, reference *runtime.Model, own *scores) ([][]position, error) {
	positions := make([][]position, len(own.texts))
	_, err := reference.ScoreBatch(ctx, own.texts.contexts(), func(text, i int, logits []float32) error {
		if len(logits) != own.vocab {
			return fmt.Errorf("the source has %d tokens in its vocabulary, the model %d", len(logits), own.vocab)
		}
		ours, err := own.row(own.texts.row(text, i))
		if err != nil {
			return err
		}
		positions[text] = append(positions[text], comparePosition(logits, ours, own.texts[text][i+1]))
		return nil
	})
	return positions, errors.Join(err, ctx.Err())
}

// decoded runs one of the texts through the ablated model one token at a time, since prefill rounds
// the state between slices only, and compares each row with the float32 run's.
func decoded(ctx context.Context, ablated *runtime.Model, own *scores, text int) ([]position, runtime.Precision, error) {
	x := ablated.NewSession()
	defer x.Close()
	ids := own.texts[text]
	positions := make([]position, 0, len(ids)-1)
	for i, next := range ids[1:] {
		logits, err := x.Step(ctx, ids[i])
		if err != nil {
			return nil, x.Precision(), err
		}
		float, err := own.row(own.texts.row(text, i))
		if err != nil {
			return nil, x.Precision(), err
		}
		positions = append(positions, comparePosition(float, logits, next))
	}
	return positions, x.Precision(), nil
}

func (r *run) divergenceOf(positions [][]position, own *scores, reference string) report.Divergence {
	d := summarize(positions...)
	d.TextDigest, d.Reference = own.texts.digest(), reference
	return d
}

// scoreSteps are what was asked for beside the level: the ablations, and keeping the scores.
func (r *run) scoreSteps() []step {
	var steps []step
	for _, a := range r.Ablate {
		steps = append(steps, step{"ablation." + string(a), func(ctx context.Context) report.Check { return r.checkAblation(ctx, a) }})
	}
	if r.SaveScores != "" {
		steps = append(steps, step{"scores.saved", r.checkSaved})
	}
	return steps
}

// checkAblation compares the float32 run with one in which the delta state or its decay is bf16.
// It passes if that was measured: what it shows is for people to read.
func (r *run) checkAblation(ctx context.Context, a Ablate) report.Check {
	own, err := r.ownScores(ctx)
	if err != nil {
		return notRun("%s", sentences(err))
	}
	r.unload()
	o := a.options(r.Runtime)
	m, err := load(ctx, r.source, o)
	if err != nil {
		return notRun("%s", sentences(err))
	}
	defer m.Close()
	positions := make([][]position, len(own.texts))
	for text := range positions {
		var precision runtime.Precision
		if positions[text], precision, err = decoded(ctx, m, own, text); err != nil {
			return notRun("%s", sentences(err))
		}
		if got := a.dtype(precision); got != quant.BF16 {
			return notRun("the ablated run kept it in %s: nothing was ablated", got)
		}
	}
	d := r.divergenceOf(positions, own, "the float32 run")
	r.report.Ablations = append(r.report.Ablations, report.Ablation{What: string(a), Divergence: d})
	c := pass("mean KL divergence of the ablated run from the float32 run, nats")
	c.Value = number(d.MeanKL)
	return c
}

// options are those of the run, with the ablation.
func (a Ablate) options(o runtime.Options) runtime.Options {
	o.StateDtype, o.DecayDtype = quant.F32, quant.F32
	switch a {
	case AblateState:
		o.StateDtype = quant.BF16
	case AblateDecay:
		o.DecayDtype = quant.BF16
	}
	return o
}

// dtype is the one that the ablated value had, of a run's live arrays.
func (a Ablate) dtype(p runtime.Precision) quant.Dtype {
	if a == AblateDecay {
		return p.Decay
	}
	return p.DeltaState
}

// checkSaved makes the file of scores, unless the comparison has.
func (r *run) checkSaved(ctx context.Context) report.Check {
	own, err := r.ownScores(ctx)
	if err != nil {
		return fail("%s", sentences(err))
	}
	return pass("%d positions over %d tokens in %s", own.texts.positions(), own.vocab, r.SaveScores)
}
