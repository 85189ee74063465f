package quant

import (
	"errors"
	"fmt"
	"math"

	"qimport/quant/kernel"
)

// Feedback is what error feedback needs of the inputs of a matrix.
type Feedback = kernel.Feedback

// damping is what is added to the second moments' diagonal, as a share of its mean: without it, inputs that are
// nothing but sums of others have no inverse.
const damping = 0.01

// NewFeedback makes it of second moments [columns, columns], symmetric. An error of a column weighs, in the search
// for scales, what it costs once the columns after it have made up for it: 1/U[j,j] squared.
func NewFeedback(moments []float32, columns int) (Feedback, error) {
	n := columns
	h, mean := make([]float64, n*n), 0.0
	for i, x := range moments {
		h[i] = float64(x)
	}
	f := Feedback{Columns: make([]float32, n)}
	if len(moments) != n*n {
		return f, fmt.Errorf("%d second moments are not those of %d columns", len(moments), n)
	}
	for i := range n {
		mean += h[i*n+i] / float64(n)
	}
	if mean == 0 {
		mean = 1
	}
	for i := range n {
		h[i*n+i] += float64(damping * mean) // the conversions keep the compiler from fusing
	}
	if err := upperFactor(h, n); err != nil {
		return f, err
	}
	f.Upper = invertUpper(h, n)
	for i := range n {
		u := f.Upper[i*n+i]
		f.Columns[i] = float32(math.Min(1/float64(u*u), math.MaxFloat32))
	}
	return f, nil
}

// upperFactor makes h, symmetric, the upper triangular R of h = R R^T, in place, from the last column back.
func upperFactor(h []float64, n int) error {
	for j := n - 1; j >= 0; j-- {
		sum := h[j*n+j]
		for k := j + 1; k < n; k++ {
			sum -= float64(h[j*n+k] * h[j*n+k])
		}
		if !(sum > 0) {
			return errors.New("its second moments have no inverse: no inputs have such; make the calibration anew")
		}
		d := math.Sqrt(sum)
		h[j*n+j] = d
		for i := range j {
			sum := h[i*n+j]
			for k := j + 1; k < n; k++ {
				sum -= float64(h[i*n+k] * h[j*n+k])
			}
			h[i*n+j] = sum / d
		}
	}
	return nil
}

// invertUpper is the inverse of an upper triangle.
func invertUpper(r []float64, n int) []float64 {
	u := make([]float64, n*n)
	for i := n - 1; i >= 0; i-- {
		u[i*n+i] = 1 / r[i*n+i]
		row := u[i*n : (i+1)*n]
		for k := i + 1; k < n; k++ {
			c := r[i*n+k]
			for j := k; j < n; j++ {
				row[j] -= float64(c * u[k*n+j])
			}
		}
		for j := i + 1; j < n; j++ {
			row[j] /= r[i*n+i]
		}
	}
	return u
}

// EncodeFeedback is Encode with searched scales and error feedback, of whole rows.
func EncodeFeedback(f Format, p Packed, v Values, scale Dtype, by Feedback) error {
	n, err := v.count()
	if err != nil {
		return err
	}
	if err := p.check(f, n, scale); err != nil {
		return err
	}
	if len(by.Columns) == 0 || n%len(by.Columns) != 0 || len(by.Columns)%f.GroupSize != 0 {
		return fmt.Errorf("%s: feedback of %d columns for %d values", f, len(by.Columns), n)
	}
	w := make([]float32, n)
	if err := ToFloat32(w, v.Data, v.Dtype); err != nil {
		return err
	}
	switch f.Mode {
	case NVFP4:
		kernel.EncodeNVFP4Feedback(p.Weight, p.Scales, w, p.global(), by)
	case MXFP4:
		kernel.EncodeMXFP4Feedback(p.Weight, p.Scales, w, by)
	case Affine:
		e, _ := scale.elem()
		kernel.EncodeAffineFeedback(p.Weight, p.Scales, p.Biases, w, e, f.Bits, f.GroupSize, by)
	default:
		return fmt.Errorf("%s has no scales to search", f)
	}
	return nil
}

// MeasureMoments is MeasureLoss by the error of the output: of each row, the sum over any two columns of their
// errors times their second moment. Rows first, first+step and so on are measured, of those that v has.
func MeasureMoments(f Format, p Packed, scale Dtype, v Values, moments []float32, columns, first, step int) (Loss, error) {
	n, err := v.count()
	if err != nil {
		return Loss{}, err
	}
	if err := p.check(f, n, scale); err != nil {
		return Loss{}, err
	}
	if columns <= 0 || n%columns != 0 || len(moments) != columns*columns {
		return Loss{}, fmt.Errorf("%s: moments of %d columns for %d values", f, columns, n)
	}
	w, got := make([]float32, columns), make([]float32, columns)
	var l Loss
	for at := first * columns; at < n; at += step * columns {
		if err := ToFloat32(w, v.piece(at, at+columns).Data, v.Dtype); err != nil {
			return Loss{}, err
		}
		q := p.Piece(f, scale, at, at+columns)
		t := Tensor{Shape: []int{1, columns}, Format: f, ScaleDtype: scale, Data: q.Weight, Scales: q.Scales, Biases: q.Biases}
		if f.Mode == NVFP4 {
			t.Global = []float32{p.global()}
		}
		if err := t.Decode(got, 0); err != nil {
			return Loss{}, err
		}
		for i, x := range w {
			got[i] -= x
		}
		l = l.Add(Loss{Error: quadratic(got, moments), Signal: quadratic(w, moments)})
	}
	return l, nil
}

// quadratic is x^T h x.
func quadratic(x, h []float32) float64 {
	sum, n := 0.0, len(x)
	for i, a := range x {
		along := 0.0
		for j, b := range h[i*n : (i+1)*n] {
			along += float64(float64(b) * float64(x[j]))
		}
		sum += float64(float64(a) * along)
	}
	return math.Max(sum, 0) // rounding may leave it a little below
}
