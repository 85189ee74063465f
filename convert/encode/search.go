package encode

import (
	"cmp"
	"slices"

	"qimport/convert/plan"
	"qimport/quant"
)

// Gain is what searching the scales of a tensor was worth: its relative squared error by MLX's
// plain rule, and as written. Blobs that were there already are not measured again.
type Gain struct {
	Tensor string  `json:"tensor"`
	Format string  `json:"format"`
	Plain  float64 `json:"plain"`
	Search float64 `json:"search"`
}

// Share is the part of the squared error that the search took away.
func (g Gain) Share() float64 {
	if g.Plain == 0 {
		return 0
	}
	return 1 - g.Search/g.Plain
}

// losses are the squared errors of one tensor, summed over its chunks.
type losses struct{ plain, search quant.Loss }

// search encodes a chunk with searched scales, and by the plain rule to know the gain.
func (tw *tensorWriter) search(out quant.Packed, v quant.Values) error {
	buffer := tw.buffer(len(out.Weight) + len(out.Scales) + len(out.Biases))
	defer tw.giveBack(buffer)
	plain := quant.Packed{
		Weight: buffer[:len(out.Weight)],
		Scales: buffer[len(out.Weight):][:len(out.Scales)],
		Biases: buffer[len(out.Weight)+len(out.Scales):][:len(out.Biases)],
	}
	before, err := tw.encodeMeasured(plain, v, false)
	if err != nil {
		return err
	}
	out.Global = tw.global
	after, err := tw.encodeMeasured(out, v, true)
	if err != nil {
		return err
	}
	tw.addLosses(losses{before, after})
	return nil
}

func (tw *tensorWriter) encodeMeasured(out quant.Packed, v quant.Values, search bool) (quant.Loss, error) {
	err := quant.Encode(tw.plan.Target, out, v, quant.Options{Scale: tw.plan.Scale, Search: search})
	if err != nil {
		return quant.Loss{}, err
	}
	return quant.MeasureLoss(tw.plan.Target, out, tw.plan.Scale, v)
}

func (tw *tensorWriter) addLosses(l losses) {
	tw.mu.Lock()
	defer tw.mu.Unlock()
	if tw.searched == nil {
		tw.searched = map[string]losses{}
	}
	sum := tw.searched[tw.plan.Name]
	tw.searched[tw.plan.Name] = losses{sum.plain.Add(l.plain), sum.search.Add(l.search)}
}

// Gains lists what the search was worth, by tensor, the largest gain first.
func (e *Engine) Gains(plan plan.Plan) []Gain {
	var out []Gain
	for _, b := range plan.Blobs {
		for _, t := range b.Tensors {
			if l, ok := e.searched[t.Name]; ok {
				out = append(out, Gain{t.Name, t.Target.String(), l.plain.Relative(), l.search.Relative()})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Gain) int { return cmp.Compare(b.Share(), a.Share()) })
	return out
}
