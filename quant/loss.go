package quant

import "math"

// Loss is what a format cost some weights: sums of squares, which add up over pieces.
type Loss struct {
	Error  float64 // of decoded minus source
	Signal float64 // of source
}

// Add is the loss of both pieces together.
func (l Loss) Add(m Loss) Loss { return Loss{l.Error + m.Error, l.Signal + m.Signal} }

// Relative is the relative squared error; 0 for zeros that stayed zeros, +Inf for other zeros.
func (l Loss) Relative() float64 {
	if l.Error == 0 {
		return 0
	}
	return l.Error / l.Signal
}

// SNR is the signal-to-noise ratio in decibels; +Inf for no error.
func (l Loss) SNR() float64 { return -10 * math.Log10(l.Relative()) }

// MeasureLoss decodes what was encoded from v, with affine scales of type scale, and compares, with a
// weight for each column of a row, or nil for the same. Sums
// run in the order of the elements, in float64: the same on every machine. Measure pieces at the same
// time and Add them.
func MeasureLoss(f Format, p Packed, scale Dtype, v Values, columns []float32) (Loss, error) {
	n, err := v.count()
	if err != nil {
		return Loss{}, err
	}
	if err := p.check(f, n, scale); err != nil {
		return Loss{}, err
	}
	const piece = 4096 // elements; a multiple of every group
	var w, got [piece]float32
	var l Loss
	for at := 0; at < n; at += piece {
		m := min(piece, n-at)
		if err := ToFloat32(w[:m], v.piece(at, at+m).Data, v.Dtype); err != nil {
			return Loss{}, err
		}
		q := p.Piece(f, scale, at, at+m)
		t := Tensor{Shape: []int{1, m}, Format: f, ScaleDtype: scale, Data: q.Weight, Scales: q.Scales, Biases: q.Biases}
		if f.Mode == NVFP4 {
			t.Global = []float32{p.global()}
		}
		if err := t.Decode(got[:m], 0); err != nil {
			return Loss{}, err
		}
		l = l.Add(lossOf(w[:m], got[:m], columns, at))
	}
	return l, nil
}

// lossOf compares values from element at of whole rows on.
func lossOf(want, got, columns []float32, at int) (l Loss) {
	for i, w := range want {
		d, weight := float64(got[i])-float64(w), 1.0
		if columns != nil {
			weight = float64(columns[(at+i)%len(columns)])
		}
		l.Error += float64(float64(d*d) * weight) // the conversions keep the compiler from fusing
		l.Signal += float64(float64(float64(w)*float64(w)) * weight)
	}
	return l
}
