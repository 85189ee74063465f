package qimport

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"qimport/arch"
	"qimport/convert/calibration"
	"qimport/convert/source"
	"qimport/quant"
)

// TestHeldOut measures what error feedback from a calibration loses of the output on a text that the calibration has
// not read, by the second moments of that text, beside the search under the same calibration and the plain rule: -v
// tells it, of the trained fixtures too. There is little noise in it, where a divergence of such small models has
// much, so that the constants of error feedback were chosen by it. Feedback must lose less than the search, of a
// few tokens too.
func TestHeldOut(t *testing.T) {
	needMLX(t)
	models := []string{"testdata/qwen3.5-bf16"}
	if fixtures := os.Getenv("QIMPORT_FIXTURES"); fixtures != "" {
		models = nil
		for _, m := range []string{"tiny-qwen3-hf", "tiny-qwen3.5-hf", "tiny-qwen3.5-moe-hf"} {
			models = append(models, filepath.Join(fixtures, m))
		}
	}
	for _, dir := range models {
		src, err := source.OpenDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		held := calibrated(t, CalibrateOptions{Source: dir, Texts: []string{"verify/language/dialogue.yaml"}})
		for _, tokens := range []int{60, 200, 0} { // of each of three texts; 0 is all
			c := calibrated(t, CalibrateOptions{Source: dir, Tokens: tokens})
			for _, f := range []quant.Format{quant.FormatNVFP4, quant.FormatMXFP4, quant.FormatInt4} {
				all, experts := heldOut(t, src, c, held, f)
				t.Logf("%s %s, calibrated over %d tokens, of the plain rule's loss: %s; down projections of experts: %s", filepath.Base(dir), f, c.Tokens, all, experts)
				if !(all.fed < 0.85*all.searched) || experts.n > 0 && !(experts.fed < experts.searched) {
					t.Errorf("%s %s, calibrated over %d tokens: feedback loses too much", filepath.Base(dir), f, c.Tokens)
				}
			}
		}
	}
}

// calibrated is what calibrate --full keeps.
func calibrated(t *testing.T, o CalibrateOptions) *calibration.Calibration {
	t.Helper()
	o.Out, o.Full = filepath.Join(t.TempDir(), "c"), true
	if _, err := Calibrate(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	c, err := calibration.Read(o.Out)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// lossShares are means over tensors of what is lost, as shares of what the plain rule loses.
type lossShares struct {
	searched, fed float64
	n             int
}

func (s lossShares) String() string {
	if s.n == 0 {
		return "none"
	}
	return fmt.Sprintf("%.3f searched, %.3f with feedback", s.searched/float64(s.n), s.fed/float64(s.n))
}

// heldOut is what tensors encoded under a calibration lose by the moments of another text.
func heldOut(t *testing.T, src *source.Source, c, held *calibration.Calibration, f quant.Format) (all, experts lossShares) {
	for _, tensor := range src.Inventory().Tensors {
		measured, ok := held.Find(tensor.Body)
		if !ok || tensor.Role == arch.Embedding || quant.Elements(tensor.Shape) < 1024 || tensor.Shape[len(tensor.Shape)-1]%f.GroupSize != 0 {
			continue
		}
		plain, searched, fed := heldOutTensor(t, src, tensor, c, measured, f)
		all.searched, all.fed, all.n = all.searched+searched/plain, all.fed+fed/plain, all.n+1
		if measured.Full.Count > 1 { // of each expert
			experts.searched, experts.fed, experts.n = experts.searched+searched/plain, experts.fed+fed/plain, experts.n+1
		}
	}
	if all.n == 0 {
		t.Fatal("nothing was compared")
	}
	return all, experts
}

func heldOutTensor(t *testing.T, src *source.Source, tensor source.Tensor, c *calibration.Calibration, measured calibration.Tensor, f quant.Format) (plain, searched, fed float64) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", tensor.Name, err)
		}
	}
	q, err := src.Load(tensor.Name)
	check(err)
	values, columns, count := make([]float32, quant.Elements(q.Shape)), measured.In, len(measured.Rows)
	check(q.Decode(values, 0))
	weights, err := c.Weights(tensor.Body, count, columns)
	check(err)
	moments := c.Moments(tensor.Body, weights)
	for e := range count {
		own := values[e*len(values)/count : (e+1)*len(values)/count]
		rows := float64(measured.Rows[e])
		full, err := measured.Full.Matrix(min(e, measured.Full.Count-1))
		check(err)
		moment, err := moments.Of(e)
		check(err)
		by, err := quant.NewFeedback(moment, columns, f.GroupSize)
		check(err)
		code, scales, biases := f.PartSizes(len(own), quant.BF16)
		p := quant.Packed{Weight: make([]byte, code), Scales: make([]byte, scales), Biases: make([]byte, biases)}
		lost := func() float64 {
			got := make([]float32, len(own))
			check(quant.Tensor{Shape: []int{len(own) / columns, columns}, Format: f, ScaleDtype: quant.BF16, Data: p.Weight, Scales: p.Scales, Biases: p.Biases}.Decode(got, 0))
			return rows * lossBy(got, own, full, columns)
		}
		check(quant.Encode(f, p, quant.Float32s(own), quant.Options{Scale: quant.BF16}))
		plain += lost()
		check(quant.Encode(f, p, quant.Float32s(own), quant.Options{Scale: quant.BF16, Search: true, Columns: weights[e*columns:][:columns]}))
		searched += lost()
		check(quant.EncodeFeedback(f, p, quant.Float32s(own), quant.BF16, by))
		fed += lost()
	}
	return plain, searched, fed
}

// lossBy is the squared error of the output under second moments [columns, columns], over every eighth row.
func lossBy(got, want, full []float32, columns int) (lost float64) {
	for row := range slices.Chunk(rowsApart(got, want, columns), columns) {
		for i, x := range row {
			if x == 0 {
				continue
			}
			sum := 0.0
			for j, y := range full[i*columns:][:columns] {
				sum += row[j] * float64(y)
			}
			lost += x * sum
		}
	}
	return lost
}

// rowsApart are the errors of every eighth row, the first one among them.
func rowsApart(got, want []float32, columns int) []float64 {
	var apart []float64
	for at := 0; at < len(got); at += 8 * columns {
		for i := at; i < at+columns; i++ {
			apart = append(apart, float64(got[i])-float64(want[i]))
		}
	}
	return apart
}
