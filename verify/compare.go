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
	reference, err := runtime.Load(ctx, r.Against, o)
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
			positions[text] = append(positions[text], comparePosition(reference.row(row), own.row(row), next))
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
		ours := own.row(own.texts.row(text, i))
		positions[text] = append(positions[text], comparePosition(logits, ours, own.texts[text][i+1]))
		return nil
	})
	return positions, errors.Join(err, ctx.Err())
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

// checkSaved makes the file of scores, unless the comparison has.
func (r *run) checkSaved(ctx context.Context) report.Check {
	own, err := r.ownScores(ctx)
	if err != nil {
		return fail("%s", sentences(err))
	}
	return pass("%d positions over %d tokens in %s", own.texts.positions(), own.vocab, r.SaveScores)
}
