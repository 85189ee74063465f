package calibration

import (
	"fmt"
	"math"
	"slices"

	"qimport/arch"
	"qimport/convert/source"
)

// priorRows is how many rows the mean over all experts of a stack counts for beside those of one expert: of
// an expert that was seldom chosen little is known, and of one that never was nothing else.
const priorRows = 16

// leastShare is how little a column weighs beside the mean of all: what the text did not excite another may.
const leastShare = 0.01

// Weights are what the squared error of each column weighs, [experts, columns]; nil for a tensor that was not
// multiplied by. One of another shape is an error that names the model of the calibration.
func (c *Calibration) Weights(name string, experts, columns int) ([]float32, error) {
	t, ok := c.Find(name)
	if !ok {
		return nil, nil
	}
	if t.In != columns || len(t.Rows) != experts {
		return nil, fmt.Errorf("%w: %s is of %s, where %s has %d experts of %d columns, not %d of %d",
			ErrCalibration, c.File, c.Model, name, len(t.Rows), t.In, experts, columns)
	}
	prior := t.overall()
	out := make([]float32, 0, len(t.Mean))
	for e, n := range t.Rows {
		own, mean := make([]float64, t.In), 0.0
		for i := range own {
			own[i] = (float64(t.Mean[e*t.In+i])*float64(n) + prior[i]*priorRows) / (float64(n) + priorRows)
			mean += own[i] / float64(t.In)
		}
		for _, x := range own {
			out = append(out, float32(math.Min(x+leastShare*mean, math.MaxFloat32)))
		}
	}
	return out, nil
}

// overall is the mean over the rows of all experts, by column.
func (t Tensor) overall() []float64 {
	sums, rows := make([]float64, t.In), 0.0
	for e, n := range t.Rows {
		rows += float64(n)
		for i := range sums {
			sums[i] += float64(t.Mean[e*t.In+i]) * float64(n)
		}
	}
	for i := range sums {
		sums[i] /= math.Max(rows, 1)
	}
	return sums
}

// lastNorm is the body name of the norm before a model's head.
const lastNorm = "norm.weight"

// NormOf reads the gains of a model's last norm.
func NormOf(src *source.Source) ([]float32, error) {
	gains, err := gainsOf(src, lastNorm)
	if err == nil && gains == nil {
		err = fmt.Errorf("%s has no %s, by which a model is known again: %w", src.Inventory().Origin, lastNorm, source.ErrSource)
	}
	return gains, err
}

// gainsOf reads what a norm, by its body name, multiplies by; nil of one that is not there.
func gainsOf(src *source.Source, body string) ([]float32, error) {
	for _, t := range src.Inventory().Tensors {
		if t.Body != body || t.MTP {
			continue
		}
		q, err := src.Load(t.Name)
		if err != nil {
			return nil, err
		}
		gains := make([]float32, slices.Max(q.Shape))
		if err := src.Guard(func() error { return q.Decode(gains, 0) }); err != nil {
			return nil, err
		}
		if src.NormForm() == arch.NormsRaw {
			for i := range gains {
				gains[i]++
			}
		}
		return gains, nil
	}
	return nil, nil
}

// CheckModel refuses a source that is another model than the one that was run.
func (c *Calibration) CheckModel(src *source.Source) error {
	gains, err := NormOf(src)
	if err != nil {
		return err
	}
	if !c.isNorm(gains) {
		return fmt.Errorf("%w: %s is of another model, %s; make one of this with qimport calibrate", ErrCalibration, c.File, c.Model)
	}
	return nil
}

// isNorm says whether gains are those of the model, up to what bf16 rounds.
func (c *Calibration) isNorm(gains []float32) bool {
	return slices.EqualFunc(c.Norm, gains, func(a, b float32) bool {
		return math.Abs(float64(a)-float64(b)) <= 0x1p-7*math.Max(math.Abs(float64(a)), 1)
	})
}
