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
	"qimport/verify/score"
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
	if r.comparesSight() {
		r.sight = r.see(ctx)
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
	if err == nil {
		r.heads.compare(ctx, reference, own.Texts)
	}
	r.sight.compare(ctx, reference)
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
func (r *run) compareScores(ctx context.Context, own *score.File) (report.Divergence, error) {
	reference, err := score.Open(r.Scores)
	if err != nil {
		return report.Divergence{}, err
	}
	defer reference.Close()
	positions := make([][]score.Position, len(own.Texts))
	for text, ids := range own.Texts {
		for i, next := range ids[1:] {
			if err := ctx.Err(); err != nil {
				return report.Divergence{}, err
			}
			row := own.Texts.Row(text, i)
			theirs, err := reference.Row(row)
			if err != nil {
				return report.Divergence{}, err
			}
			ours, err := own.Row(row)
			if err != nil {
				return report.Divergence{}, err
			}
			positions[text] = append(positions[text], score.Compare(theirs, ours, next))
		}
	}
	return r.divergenceOf(positions, own, "scores of "+reference.Metadata["model"]), nil
}

// scored prefills the texts through the reference, and compares each row with the model's own.
func scored(ctx context.Context, reference *runtime.Model, own *score.File) ([][]score.Position, error) {
	positions := make([][]score.Position, len(own.Texts))
	_, err := reference.ScoreBatch(ctx, own.Texts.Contexts(), func(text, i int, logits []float32) error {
		if len(logits) != own.Vocab {
			return fmt.Errorf("the source has %d tokens in its vocabulary, the model %d", len(logits), own.Vocab)
		}
		ours, err := own.Row(own.Texts.Row(text, i))
		if err != nil {
			return err
		}
		positions[text] = append(positions[text], score.Compare(logits, ours, own.Texts[text][i+1]))
		return nil
	})
	return positions, errors.Join(err, ctx.Err())
}

func (r *run) divergenceOf(positions [][]score.Position, own *score.File, reference string) report.Divergence {
	d := score.Summarize(positions...)
	d.TextDigest, d.Reference = own.Texts.Digest(), reference
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
	return pass("%d positions over %d tokens in %s", own.Texts.Positions(), own.Vocab, r.SaveScores)
}
