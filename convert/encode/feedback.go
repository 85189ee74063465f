package encode

import (
	"fmt"

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
	by, err := tw.feedback()
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

// newFeedback is what error feedback needs of the tensor's inputs, made by whoever needs it first.
func (tw *tensorWriter) newFeedback() (quant.Feedback, error) {
	return quant.NewFeedback(tw.plan.Moments, quant.Columns(tw.plan.Shape))
}
