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

// NewFeedback makes it of second moments [columns, columns], symmetric.
func NewFeedback(moments []float32, columns int) (Feedback, error) {
	n := columns
	h, mean := make([]float64, n*n), 0.0
	for i, x := range moments {
		h[i] = float64(x)
	}
	f := Feedback{Columns: make([]float32, n)}
	for i := range n {
		mean += h[i*n+i] / float64(n)
	}
	if mean == 0 {
		mean = 1
	}
	for i := range n {
		h[i*n+i] += damping * mean
		f.Columns[i] = float32(h[i*n+i])
	}
	if err := upperFactor(h, n); err != nil {
		return f, err
	}
	f.Upper = invertUpper(h, n)
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
			return errors.New("the second moments have no inverse")
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
