package quant

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"
)

var fedFormats = []Format{FormatNVFP4, FormatMXFP4, FormatInt4, {Mode: Affine, Bits: 3, GroupSize: 32}}

// inputs are rows of n columns that go together, and their second moments.
func inputMoments(n int) []float32 {
	rows, basis := weights(4*n*n, 1), weights(n*n, 1)
	h := make([]float64, n*n)
	x := make([]float64, n)
	for r := range 4 * n {
		own := rows[r*n : (r+1)*n]
		for i := range x {
			x[i] = 0.2 * float64(own[i])
			for k := range n / 16 { // most of it lies in few directions
				x[i] += float64(basis[i*n+k]) * float64(own[k])
			}
		}
		for i, a := range x {
			for j, b := range x {
				h[i*n+j] += a * b / float64(4*n)
			}
		}
	}
	out := make([]float32, n*n)
	for i := range n {
		for j := range n {
			out[i*n+j] = float32(h[min(i, j)*n+max(i, j)])
		}
	}
	return out
}

func feedback(t *testing.T, h []float32, n int, f Format) Feedback {
	t.Helper()
	by, err := NewFeedback(h, n, f.GroupSize)
	if err != nil {
		t.Fatal(err)
	}
	return by
}

func fed(t *testing.T, f Format, w []float32, by Feedback) Packed {
	t.Helper()
	p := newPacked(f, len(w), BF16)
	if err := EncodeFeedback(f, p, Float32s(w), BF16, by); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestFeedbackAlone: where no two columns go together, nothing is fed back, and scales are those of the search.
func TestFeedbackAlone(t *testing.T) {
	const n = 128
	h := make([]float32, n*n)
	for i := range n {
		h[i*n+i] = float32(1 + i%5)
	}
	w := weights(6*n, 0.02)
	for _, f := range fedFormats {
		by := feedback(t, h, n, f)
		want := newPacked(f, len(w), BF16)
		if err := Encode(f, want, Float32s(w), Options{Scale: BF16, Search: true, Columns: by.Columns}); err != nil {
			t.Fatal(err)
		}
		got := fed(t, f, w, by)
		if f.Mode == Affine { // its scales and biases are fitted to the codes, which are picked for them as they are stored
			before, errBefore := MeasureLoss(f, want, BF16, Float32s(w), by.Columns)
			after, errAfter := MeasureLoss(f, got, BF16, Float32s(w), by.Columns)
			if errBefore != nil || errAfter != nil || !(after.Error < 0.98*before.Error) {
				t.Errorf("%s: it loses %g, the search %g: %v %v", f, after.Error, before.Error, errBefore, errAfter)
			}
			continue
		}
		if !bytes.Equal(got.Scales, want.Scales) {
			t.Errorf("%s: other scales than the search makes", f)
		}
		if !bytes.Equal(got.Weight, want.Weight) {
			t.Errorf("%s: other codes than the search makes", f)
		}
	}
}

// TestFeedback: where columns go together, the error of the output is well below that of the search, and a row
// has the same bytes alone and among others.
func TestFeedback(t *testing.T) {
	const n, rows = 128, 32
	h := inputMoments(n)
	w := weights(rows*n, 0.02)
	for _, f := range fedFormats {
		by := feedback(t, h, n, f)
		got, searched := fed(t, f, w, by), newPacked(f, len(w), BF16)
		if err := Encode(f, searched, Float32s(w), Options{Scale: BF16, Search: true}); err != nil {
			t.Fatal(err)
		}
		before, after := outputLoss(t, f, searched, w, h, n), outputLoss(t, f, got, w, h, n)
		if !(after < 0.7*before) {
			t.Errorf("%s: the output's error is %g, without feedback %g", f, after, before)
		}
		for r := range rows {
			alone, there := fed(t, f, w[r*n:(r+1)*n], by), got.Piece(f, BF16, r*n, (r+1)*n)
			if !bytes.Equal(alone.Weight, there.Weight) || !bytes.Equal(alone.Scales, there.Scales) || !bytes.Equal(alone.Biases, there.Biases) {
				t.Fatalf("%s: row %d has other bytes alone", f, r)
			}
		}
	}
}

// outputLoss is the relative squared error of the output, by the second moments themselves.
func outputLoss(t *testing.T, f Format, p Packed, w, h []float32, columns int) float64 {
	t.Helper()
	var lost, signal float64
	for at := 0; at < len(w); at += columns {
		row, got, err := rowOf(f, p, BF16, Float32s(w), at, at+columns)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range row {
			for j, y := range row {
				lost += float64(got[i]-x) * float64(got[j]-y) * float64(h[i*columns+j])
				signal += float64(x) * float64(y) * float64(h[i*columns+j])
			}
		}
	}
	return lost / signal
}

// TestFactor: R R^T is the damped second moments, whatever part of a block their number leaves.
func TestFactor(t *testing.T) {
	for _, n := range []int{16, 48, 160} {
		h := inputMoments(n)
		by, err := NewFeedback(h, n, 16)
		if err != nil {
			t.Fatal(err)
		}
		mean := 0.0
		for i := range n {
			mean += float64(h[i*n+i]) / float64(n)
		}
		for i := range n {
			for j := range n {
				got, want := 0.0, float64(h[int(by.Order[i])*n+int(by.Order[j])])
				for k, c := range by.Order {
					got += by.Upper[i*n+k] * by.Upper[j*n+k] * float64(by.Columns[c])
				}
				if i == j {
					want += damping * mean
				}
				if math.Abs(got-want) > 1e-6*mean {
					t.Fatalf("%d columns: element %d, %d is %g, want %g", n, i, j, got, want)
				}
			}
		}
	}
}

// TestFeedbackOrder: groups into which the most goes come first, whole, and of each the columns into which the most
// goes; among equals the first ones.
func TestFeedbackOrder(t *testing.T) {
	const n = 8
	h := make([]float32, n*n)
	for i, x := range []float32{1, 3, 2, 2, 5, 0, 4, 4} {
		h[i*n+i] = x
	}
	for group, want := range map[int][]int32{2: {6, 7, 4, 5, 1, 0, 2, 3}, 4: {4, 6, 7, 5, 1, 2, 3, 0}, 1: {4, 6, 7, 1, 2, 3, 0, 5}} {
		by, err := NewFeedback(h, n, group)
		if err != nil || !slices.Equal(by.Order, want) {
			t.Errorf("in groups of %d: %v, %v; want %v", group, by.Order, err, want)
		}
	}
}

// TestMeasureFeedback: what is measured is the error by the second moments with their damping; rows are those
// asked for.
func TestMeasureFeedback(t *testing.T) {
	const n = 160
	h := inputMoments(n)
	f := Format{Mode: Affine, Bits: 4, GroupSize: 32}
	by := feedback(t, h, n, f)
	mean := float32(0)
	for i := range n {
		mean += h[i*n+i] / n
	}
	for i := range n {
		h[i*n+i] += damping * mean
	}
	w := weights(5*n, 0.02)
	p := newPacked(f, len(w), BF16)
	if err := Encode(f, p, Float32s(w), Options{Scale: BF16}); err != nil {
		t.Fatal(err)
	}
	some := append(slices.Clone(w[n:2*n]), w[4*n:]...)
	part := newPacked(f, len(some), BF16)
	if err := Encode(f, part, Float32s(some), Options{Scale: BF16}); err != nil {
		t.Fatal(err)
	}
	want := outputLoss(t, f, part, some, h, n)
	got, err := MeasureFeedback(f, p, BF16, Float32s(w), by, 1, 3)
	if err != nil || math.Abs(got.Relative()/want-1) > 1e-4 {
		t.Errorf("%+v, %v; want %g", got, err, want)
	}
}

// TestFeedbackRefuse: what is nothing but sums of others is damped, what no inputs have is refused.
func TestFeedbackRefuse(t *testing.T) {
	const n = 32
	one := make([]float32, n*n)
	for i := range one {
		one[i] = 1
	}
	if _, err := NewFeedback(one, n, n); err != nil {
		t.Errorf("columns that are all the same: %v", err)
	}
	if by, err := NewFeedback(make([]float32, n*n), n, n); err != nil || !(by.Columns[0] > 0) {
		t.Errorf("columns into which nothing went: %v", err)
	}
	one[1], one[n] = 2, 2
	if _, err := NewFeedback(one, n, n); err == nil || !strings.Contains(err.Error(), "no inverse") {
		t.Errorf("moments that no inputs have: %v", err)
	}
	if _, err := NewFeedback(one[:n], n, n); err == nil {
		t.Error("takes too few moments")
	}
	if _, err := NewFeedback(one, n, 64); err == nil {
		t.Error("takes groups that are wider than a row")
	}
	by, err := NewFeedback(make([]float32, n*n), n, n)
	if err != nil {
		t.Fatal(err)
	}
	w := weights(n, 1)
	if err := EncodeFeedback(FormatMXFP8, newPacked(FormatMXFP8, n, BF16), Float32s(w), BF16, by); err == nil {
		t.Error("searches scales that mxfp8 has not")
	}
	if err := EncodeFeedback(FormatNVFP4, newPacked(FormatNVFP4, n, BF16), Float32s(w), BF16, by); err == nil {
		t.Error("takes the order of other groups")
	}
}
