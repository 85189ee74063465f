package plan

import (
	"fmt"
	"strings"

	"qimport/convert/calibration"
	"qimport/quant"
)

// searchable says whether the encoder has scales to choose among. mxfp8's are given by the largest
// value, and what is copied keeps its own.
func (tp Tensor) searchable() bool {
	encoded := tp.Transform == Encode || tp.Transform == Reencode
	return encoded && (tp.Target.Mode == quant.NVFP4 || tp.Target.Mode == quant.MXFP4 || tp.Target.Mode == quant.Affine)
}

// searchScales plans a search, and a global scale where the store has a place for it.
func (tp *Tensor) searchScales() {
	tp.Search = true
	if tp.Target == quant.FormatNVFP4 && takesGlobal(tp.From) {
		tp.Global = true
		tp.Bytes += int64(quant.F32.Size())
	}
}

// weigh takes the weights of the tensor's columns from a calibration, if there is one that has them.
func (tp *Tensor) weigh(c *calibration.Calibration, feedback bool) (err error) {
	if c == nil || len(tp.Shape) < 2 {
		return nil
	}
	matrix := len(tp.Shape) - 2
	tp.Weights, err = c.Weights(tp.From.Body, quant.Elements(tp.Shape[:matrix]), tp.Shape[matrix+1])
	if feedback && err == nil {
		tp.Moments = c.Moments(tp.From.Body, tp.Weights)
	}
	return err
}

// checkFeedback refuses error feedback without what it goes by.
func (o Options) checkFeedback() error {
	if !o.Feedback {
		return nil
	}
	if o.Calibration == nil || !o.ScaleSearch {
		return fmt.Errorf("%w: error feedback is for a scale search with a calibration", calibration.ErrCalibration)
	}
	if o.Calibration.FullCount() == 0 {
		return fmt.Errorf("%w: %s has the squares of columns only, and --method gptq goes by second moments; make it with qimport calibrate --full", calibration.ErrCalibration, o.Calibration.File)
	}
	return nil
}

// warnNoFeedback names what has weights of columns and no second moments.
func warnNoFeedback(tensors []Tensor) []string {
	var without []string
	for _, t := range tensors {
		if t.Weights != nil && !t.Moments.Known() {
			without = append(without, t.Name)
		}
	}
	if len(without) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("the calibration has no second moments of %s: scales are searched there without error feedback (calibrate --full says for which it has no room)", someOf(without))}
}

// someOf names a few and counts the rest.
func someOf(names []string) string {
	const most = 3
	shown := strings.Join(names[:min(len(names), most)], ", ")
	if n := len(names) - most; n > 0 {
		shown += fmt.Sprintf(" and %d more", n)
	}
	return shown
}

// warnUncalibrated names what is searched without the calibration that was given.
func warnUncalibrated(tensors []Tensor, c *calibration.Calibration) []string {
	var without []string
	for _, t := range tensors {
		if c != nil && t.Search && t.Weights == nil {
			without = append(without, t.Name)
		}
	}
	if len(without) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("the calibration has nothing on %s: scales are searched there without it", someOf(without))}
}
