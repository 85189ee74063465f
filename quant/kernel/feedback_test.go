package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestFeedbackVersions holds the forms that take many rows at a time to the bytes of the definition: rows and
// columns that fill no block, several groups, every width of codes.
func TestFeedbackVersions(t *testing.T) {
	for _, cols := range []int{64, 192, 320} {
		for _, rows := range []int{1, 65} {
			w, f := feedbackOf(rows, cols, 16)
			n := rows * cols
			same := func(what string, sizes []int, run func(s *Set, out [][]byte)) {
				t.Helper()
				var want arena
				run(Reference(), want.bytes(sizes...))
				for _, s := range Versions()[1:] {
					var got arena
					run(s, got.bytes(sizes...))
					got.mustEqual(t, fmt.Sprintf("%s, %s [%d, %d]", s.Name, what, rows, cols), &want, true)
				}
			}
			for _, global := range []float32{1, 0.125} {
				same("nvfp4", []int{n / 2, n / 16}, func(s *Set, out [][]byte) { s.EncodeNVFP4Feedback(out[0], out[1], w, global, f) })
			}
			f = f.reordered(32)
			same("mxfp4", []int{n / 2, n / 32}, func(s *Set, out [][]byte) { s.EncodeMXFP4Feedback(out[0], out[1], w, f) })
			for _, bits := range []int{2, 3, 4, 5, 6, 8} {
				for _, group := range []int{32, 64} {
					f = f.reordered(group)
					for _, scale := range []Elem{BF16, F16, F32} {
						parts := n / group * scale.Size()
						same(fmt.Sprintf("affine %d bits", bits), []int{n * bits / 8, parts, parts}, func(s *Set, out [][]byte) {
							s.EncodeAffineFeedback(out[0], out[1], out[2], w, scale, bits, group, f)
						})
					}
				}
			}
		}
	}
}

// TestFeedbackTiles holds the same over the functions of the definition, which every build has.
func TestFeedbackTiles(t *testing.T) {
	const rows, cols = 65, 192
	w, f := feedbackOf(rows, cols, 16)
	wide := f.reordered(32)
	tiles := *Reference()
	for _, c := range []struct {
		sizes     []int
		want, got func(out [][]byte)
	}{
		{[]int{rows * cols / 2, rows * cols / 16},
			func(o [][]byte) { encodeNVFP4FeedbackRef(o[0], o[1], w, 1, f) }, func(o [][]byte) { tiles.feedNVFP4(o[0], o[1], w, 1, f) }},
		{[]int{rows * cols / 2, rows * cols / 32},
			func(o [][]byte) { encodeMXFP4FeedbackRef(o[0], o[1], w, wide) }, func(o [][]byte) { tiles.feedMXFP4(o[0], o[1], w, wide) }},
		{[]int{rows * cols * 3 / 8, rows * cols / 16, rows * cols / 16},
			func(o [][]byte) { encodeAffineFeedbackRef(o[0], o[1], o[2], w, BF16, 3, 32, wide) },
			func(o [][]byte) { tiles.feedAffine(o[0], o[1], o[2], w, BF16, 3, 32, wide) }},
	} {
		var want, got arena
		c.want(want.bytes(c.sizes...))
		c.got(got.bytes(c.sizes...))
		got.mustEqual(t, "tiles", &want, true)
	}
}

// reordered is the same triangle for columns in another order of whole groups.
func (f Feedback) reordered(group int) Feedback {
	rng := rand.New(rand.NewPCG(uint64(group), 1))
	f.Group, f.Order = group, nil
	for _, g := range rng.Perm(len(f.Columns) / group) {
		for _, i := range rng.Perm(group) {
			f.Order = append(f.Order, int32(g*group+i))
		}
	}
	return f
}

// feedbackOf is random rows and a triangle by which neighbours make up for each other.
func feedbackOf(rows, cols, group int) ([]float32, Feedback) {
	rng := rand.New(rand.NewPCG(uint64(rows), uint64(cols)))
	w := make([]float32, rows*cols)
	for i := range w {
		w[i] = float32(rng.NormFloat64() * 0.02)
	}
	f := Feedback{Upper: make([]float64, cols*cols), Columns: make([]float32, cols)}
	for i := range cols {
		f.Columns[i] = float32(rng.ExpFloat64())
		f.Upper[i*cols+i] = 1
		for j := i + 1; j < cols; j++ {
			f.Upper[i*cols+j] = rng.NormFloat64() * 0.3 / float64(j-i)
		}
	}
	return w, f.reordered(group)
}

// TestFitAffine: of values that lie on a line, with a few that do not, scale and bias are those of the line; what a
// fit would lose by is left as it was, as is what has one code only.
func TestFitAffine(t *testing.T) {
	w, h := make([]float32, 64), make([]float32, 64)
	for i := range w {
		w[i], h[i] = float32(i%16)*0.5-3, 1
	}
	w[7], h[7] = -9, 1e-6
	if s, b := fitAffine(w, h, 0.52, -3.1, 15, BF16); s != 0.5 || b != -3 {
		t.Errorf("%g, %g", s, b)
	}
	if s, b := fitAffine(w, h, 0.5, -3, 15, F32); affineLoss(w, h, s, b, s, b, 15) > affineLoss(w, h, 0.5, -3, 0.5, -3, 15) {
		t.Errorf("%g, %g lose more", s, b)
	}
	clear(w)
	if s, b := fitAffine(w, h, 0.5, 0, 15, BF16); s != 0.5 || b != 0 {
		t.Errorf("of zeros: %g, %g", s, b)
	}
}

func BenchmarkFeedback(b *testing.B) {
	const rows, cols = 64, 2048
	w, f := feedbackOf(rows, cols, 16)
	wide := f.reordered(64)
	codes, scales, biases := make([]byte, rows*cols/2), make([]byte, rows*cols/16), make([]byte, rows*cols/16)
	for _, s := range Versions() {
		b.Run(s.Name+"/nvfp4", func(b *testing.B) {
			b.SetBytes(2 * rows * cols) // of bf16
			for b.Loop() {
				s.EncodeNVFP4Feedback(codes, scales, w, 1, f)
			}
		})
		b.Run(s.Name+"/int4", func(b *testing.B) {
			b.SetBytes(2 * rows * cols)
			for b.Loop() {
				s.EncodeAffineFeedback(codes, scales, biases, w, BF16, 4, 64, wide)
			}
		})
	}
}
