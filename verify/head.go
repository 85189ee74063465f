package verify

import (
	"context"
	"errors"
	"fmt"

	"qimport/runtime"
	"qimport/verify/report"
	"qimport/verify/score"
)

// leastOfText is how often the head must say the token that follows, as a share of how often the text model
// says it, which has read one token more. The trained heads at hand reach 0.95 and 0.97; with the halves of
// their input swapped, or their norms shifted, 0.67 and less.
const leastOfText = 2.0 / 3

// heads is what was found of the multi-token-prediction head, and of the source's beside it.
type heads struct {
	own       *score.File // log-probabilities of the head, where they are compared; its texts begin a token later
	positions [][]score.Position
	source    score.Guesses
	err       error // why the source's was not run
}

func (h *heads) close() {
	if h.own != nil {
		_ = h.own.Close()
	}
}

// headed says whether the model has a multi-token-prediction head.
func (r *run) headed() bool { return r.source != nil && r.source.Inventory().HasHead() }

// comparesHeads says whether there are two heads to compare.
func (r *run) comparesHeads() bool {
	return r.headed() && r.Level.Covers(report.Quality) && r.Scores == "" && r.Against != nil && r.Against.Inventory().HasHead()
}

// checkHead holds the multi-token-prediction head to the text model: by its norms and shapes, then by how
// often it says the token that follows.
func (r *run) checkHead(ctx context.Context) report.Check {
	const remedy = "; --mtp drop imports the model without it"
	switch inv := r.source.Inventory(); {
	case inv.HeadFlaw != "":
		return fail("the head is not this model's: %s%s", inv.HeadFlaw, remedy)
	case inv.HeadNorms != "":
		return fail("%s%s", inv.HeadNorms, remedy)
	case r.model == nil || r.language.Tokenizer == nil:
		return notRun("the model did not load")
	}
	read, err := r.readTexts(ctx)
	if err != nil {
		return notRun("%s", sentences(err))
	}
	if err := r.model.LoadHead(ctx); errors.Is(err, runtime.ErrTooLarge) {
		return notRun("%s", sentences(err))
	} else if err != nil {
		return fail("%s%s", sentences(err), remedy)
	}
	head, text, err := r.runHead(ctx, read)
	if errors.Is(err, score.ErrNotFinite) {
		return fail("%s%s", sentences(err), remedy)
	}
	if err != nil {
		return notRun("%s", sentences(err))
	}
	r.report.Head = &report.Head{Places: head.Places(), Right: head.Share(), Chance: head.Chance(), TextRight: text.Share()}
	if text.Share() <= text.BeyondChance() {
		return notRun("the text model itself says the token that follows no more often than by chance, %.3f of the time: name a text of its kind with --text", text.Share())
	}
	c := atLeast(head.Share(), max(head.BeyondChance(), leastOfText*text.Share()), fmt.Sprintf(
		"share of %d places at which it says the token that follows; by chance %.3f, the text model a token later %.3f", head.Places(), head.Chance(), text.Share()))
	if c.Passed == report.Failed {
		c.Detail += ": it was trained beside another model, or was damaged" + remedy
	}
	return c
}

// runHead reads the texts with the head, and counts how often it and the text model say what follows.
// Where it is to be compared, its log-probabilities are kept.
func (r *run) runHead(ctx context.Context, read score.Texts) (head, text score.Guesses, err error) {
	var w *score.Writer
	later := afterFirst(read)
	path := ""
	if r.comparesHeads() {
		if path, err = r.scratchFile("head.safetensors"); err != nil {
			return head, text, err
		}
		if w, err = score.Create(path, later, map[string]string{}); err != nil {
			return head, text, err
		}
		defer w.Abort()
	}
	err = eachHead(ctx, r.model, read, func(k, place int, ofText, ofHead []float32) error {
		r.look(ofText)
		r.look(ofHead)
		next := later[k][place+1]
		head.Add(score.Top(ofHead), next)
		text.Add(score.Top(ofText), next)
		if w != nil {
			return w.Row(k, ofHead)
		}
		return nil
	})
	if err != nil || w == nil {
		return head, text, err
	}
	if err := w.Finish(); err != nil {
		return head, text, err
	}
	r.heads.own, err = score.Open(path)
	return head, text, err
}

// afterFirst is texts without their first token: a head says what follows the second.
func afterFirst(read score.Texts) score.Texts {
	var later score.Texts
	for _, ids := range read {
		later = append(later, ids[1:])
	}
	return later
}

// eachHead runs a model's head over texts, one after the other; see runtime.Model.ScoreHead.
func eachHead(ctx context.Context, m *runtime.Model, read score.Texts, each func(text, place int, ofText, ofHead []float32) error) error {
	for k, ids := range read {
		err := m.ScoreHead(ctx, ids, func(place int, ofText, ofHead []float32) error { return each(k, place, ofText, ofHead) })
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// compare runs the head of the source over the same texts, if ours was.
func (h *heads) compare(ctx context.Context, reference *runtime.Model, read score.Texts) {
	if h.own == nil {
		return
	}
	if h.err = reference.LoadHead(ctx); h.err != nil {
		return
	}
	h.positions = make([][]score.Position, len(read))
	h.err = eachHead(ctx, reference, read, func(k, place int, _, theirs []float32) error {
		next := read[k][place+2]
		ours, err := h.own.Row(h.own.Texts.Row(k, place))
		if err != nil {
			return err
		}
		h.source.Add(score.Top(theirs), next)
		h.positions[k] = append(h.positions[k], score.Compare(theirs, ours, next))
		return nil
	})
}

// checkHeadQuality holds the head to the source's.
func (r *run) checkHeadQuality(context.Context) report.Check {
	h := &r.heads
	switch {
	case h.own == nil:
		return notRun("the head was not run")
	case h.err != nil:
		return notRun("in the source: %s", sentences(h.err))
	case h.positions == nil:
		return notRun("nothing was compared")
	}
	d := score.Summarize(h.positions...)
	right := h.source.Share()
	told := r.report.Head
	told.SourceRight, told.MeanKL, told.Top1 = &right, number(d.MeanKL), &d.Top1
	return atMost(d.MeanKL, r.bounds().KL, fmt.Sprintf("mean KL divergence from the source's head; they say the same at %.3f of the places, the source's what follows at %.3f",
		d.Top1, right))
}
