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
func (tp *Tensor) weigh(c *calibration.Calibration) (err error) {
	if c == nil || len(tp.Shape) < 2 {
		return nil
	}
	matrix := len(tp.Shape) - 2
	tp.Moments = c.Moments(tp.From.Body)
	tp.Weights, err = c.Weights(tp.From.Body, quant.Elements(tp.Shape[:matrix]), tp.Shape[matrix+1])
	return err
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
	const most = 3
	shown := without[:min(len(without), most)]
	more := ""
	if n := len(without) - len(shown); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return []string{fmt.Sprintf("the calibration has nothing on %s%s: scales are searched there without it", strings.Join(shown, ", "), more)}
}
