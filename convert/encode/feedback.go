package encode

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"qimport/convert/plan"
	"qimport/convert/source"
	"qimport/quant"
)

// measuredRows is how many rows come for one of which the gain of error feedback is measured: measuring a row
// costs as much as encoding it.
const measuredRows = 16

// feedBack encodes whole rows, which begin at an element of the tensor, with error feedback, and by the plain
// rule to know the gain in the error of the output.
func (tw *tensorWriter) feedBack(out, plain quant.Packed, v quant.Values, first int) error {
	f, scale, columns := tw.plan.Target, tw.plan.Scale, quant.Columns(tw.plan.Shape)
	by, err := tw.feedback.of(tw.plan, first/quant.Elements(tw.plan.Shape[len(tw.plan.Shape)-2:]))
	if err != nil {
		return fmt.Errorf("%w: tensor %s: %w", source.ErrSource, tw.plan.Name, err)
	}
	if err := quant.Encode(f, plain, v, quant.Options{Scale: scale}); err != nil {
		return err
	}
	if err := quant.EncodeFeedback(f, out, v, scale, by); err != nil {
		return err
	}
	row := first / columns
	next := (measuredRows - row%measuredRows) % measuredRows // rows are chosen by their place in the tensor, however it is cut
	before, err := quant.MeasureFeedback(f, plain, scale, v, by, next, measuredRows)
	if err != nil {
		return err
	}
	after, err := quant.MeasureFeedback(f, out, scale, v, by, next, measuredRows)
	if err != nil {
		return err
	}
	tw.addLosses(losses{before, after})
	return nil
}

// feedbacks are what error feedback needs of the inputs of a tensor, made by whoever needs it first: one for all its
// rows, or one for each expert, of which those are kept that chunks on their way may need.
type feedbacks struct {
	mu   sync.Mutex
	made map[int]func() (quant.Feedback, error) // by expert; 0 where all have the same
}

// feedbacksKept is how many experts' are kept of a tensor: as many as it has chunks on their way.
const feedbacksKept = chunksAhead + 2

// of is that of one expert's rows.
func (f *feedbacks) of(t plan.Tensor, expert int) (quant.Feedback, error) {
	if !t.Moments.Apart() {
		expert = 0
	}
	f.mu.Lock()
	once, ok := f.made[expert]
	if !ok {
		if f.made == nil {
			f.made = map[int]func() (quant.Feedback, error){}
		}
		if len(f.made) == feedbacksKept {
			delete(f.made, slices.Min(slices.Collect(maps.Keys(f.made)))) // chunks come in their order
		}
		once = sync.OnceValues(func() (quant.Feedback, error) {
			full, err := t.Moments.Of(expert)
			if err != nil {
				return quant.Feedback{}, err
			}
			return quant.NewFeedback(full, quant.Columns(t.Shape), t.Target.GroupSize)
		})
		f.made[expert] = once
	}
	f.mu.Unlock()
	return once()
}
