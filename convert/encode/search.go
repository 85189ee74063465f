package encode

import (
	"cmp"
	"slices"

	"qimport/convert/plan"
	"qimport/quant"
)

// Gain is what searching the scales of a tensor was worth: its relative squared error by MLX's
// plain rule, and as written, weighed by the calibration where there is one; with error feedback, that of the output, of every sixteenth row. Blobs that were there already are not measured again.
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

// search encodes a chunk with searched scales, and by the plain rule to know the gain. first is the element
// of the tensor at which it begins. Of a stack, what belongs to each expert is encoded under the weights of
// its own columns.
func (tw *tensorWriter) search(out quant.Packed, v quant.Values, first int) error {
	buffer := tw.buffer(len(out.Weight) + len(out.Scales) + len(out.Biases))
	defer tw.giveBack(buffer)
	plain := quant.Packed{
		Weight: buffer[:len(out.Weight)],
		Scales: buffer[len(out.Weight):][:len(out.Scales)],
		Biases: buffer[len(out.Weight)+len(out.Scales):][:len(out.Biases)],
	}
	out.Global = tw.global
	f, scale, size := tw.plan.Target, tw.plan.Scale, v.Dtype.Size()
	for at, n := 0, len(v.Data)/size; at < n; {
		columns, to := tw.weights(first+at, n-at)
		to += at
		part := quant.Values{Data: v.Data[at*size : to*size], Dtype: v.Dtype}
		if tw.plan.Moments.Known() {
			if err := tw.feedBack(out.Piece(f, scale, at, to), plain.Piece(f, scale, at, to), part, first+at); err != nil {
				return err
			}
			at = to
			continue
		}
		before, err := encodeMeasured(f, plain.Piece(f, scale, at, to), part, quant.Options{Scale: scale}, columns)
		if err != nil {
			return err
		}
		after, err := encodeMeasured(f, out.Piece(f, scale, at, to), part, quant.Options{Scale: scale, Search: true, Columns: columns}, columns)
		if err != nil {
			return err
		}
		tw.addLosses(losses{before, after})
		at = to
	}
	return nil
}

// weights are those of the columns from an element of the tensor on, and for how many of the next n elements
// they are so.
func (tw *tensorWriter) weights(first, n int) (columns []float32, same int) {
	if tw.plan.Weights == nil {
		return nil, n
	}
	shape := tw.plan.Shape
	cols, matrix := quant.Columns(shape), quant.Elements(shape[len(shape)-2:])
	expert := first / matrix
	return tw.plan.Weights[expert*cols:][:cols], min(n, (expert+1)*matrix-first)
}

func encodeMeasured(f quant.Format, out quant.Packed, v quant.Values, o quant.Options, columns []float32) (quant.Loss, error) {
	if err := quant.Encode(f, out, v, o); err != nil {
		return quant.Loss{}, err
	}
	return quant.MeasureLoss(f, out, o.Scale, v, columns)
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
