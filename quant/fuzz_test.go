package quant

import (
	"bytes"
	"math"
	"testing"
)

// writtenFormats is every format that Encode packs groups for.
func writtenFormats() []Format { return goldenFormats() }

// FuzzEncode: from any finite weights, what Encode makes decodes to values within the format's step,
// in pieces as in one, and encodes again to the same values where scales are powers of two.
func FuzzEncode(f *testing.F) {
	for i := range writtenFormats() {
		f.Add(byte(i), byte(i), bytes.Repeat([]byte{0x3f, 0x80, 0xc1, 0x05, 0x00, byte(i)}, 60))
	}
	f.Add(byte(0), byte(2), bytes.Repeat([]byte{0xff, 0xff, 0x7f, 0x00}, 40))
	f.Fuzz(func(t *testing.T, format, dtype byte, raw []byte) {
		ff := writtenFormats()[int(format)%len(writtenFormats())]
		from := []Dtype{BF16, F16, F32}[dtype%3]
		groups := len(raw) / (ff.GroupSize * from.Size())
		v := Values{raw[:groups*ff.GroupSize*from.Size()], from}
		if n, err := NonFinite(v.Data, from); groups == 0 || n > 0 || err != nil {
			return
		}
		n := groups * ff.GroupSize
		w := make([]float32, n)
		if err := ToFloat32(w, v.Data, from); err != nil {
			t.Fatal(err)
		}
		whole := encodeWhole(t, ff, v)
		pieces := newPacked(ff, n, from)
		for at := 0; at < n; at += ff.GroupSize {
			part := pieces.Piece(ff, from, at, at+ff.GroupSize)
			if err := Encode(ff, part, v.piece(at, at+ff.GroupSize), Options{}); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(whole.Data, pieces.Weight) || !bytes.Equal(whole.Scales, pieces.Scales) || !bytes.Equal(whole.Biases, pieces.Biases) {
			t.Fatalf("%s: pieces differ from the whole", ff)
		}
		got := decodeAll(t, whole)
		checkSteps(t, ff, whole, w, got)
		if ff.Mode == MXFP4 || ff.Mode == MXFP8 {
			again := decodeAll(t, encodeWhole(t, ff, Float32s(got)))
			if !bytes.Equal(Float32s(again).Data, Float32s(got).Data) {
				t.Fatalf("%s: encoding decoded values changes them", ff)
			}
		}
	})
}

func encodeWhole(t *testing.T, f Format, v Values) Tensor {
	t.Helper()
	n := len(v.Data) / v.Dtype.Size()
	p := newPacked(f, n, v.Dtype)
	if err := Encode(f, p, v, Options{}); err != nil {
		t.Fatal(err)
	}
	tensor := Tensor{Shape: []int{n / f.GroupSize, f.GroupSize}, Format: f, Data: p.Weight, Scales: p.Scales, Biases: p.Biases}
	if f.Mode == Affine {
		tensor.ScaleDtype = v.Dtype
	}
	return tensor
}

// checkSteps holds each value to the widest half step of its group.
func checkSteps(t *testing.T, f Format, tensor Tensor, w, got []float32) {
	t.Helper()
	for g := 0; g < len(w); g += f.GroupSize {
		amax := 0.0
		for _, x := range w[g : g+f.GroupSize] {
			amax = max(amax, math.Abs(float64(x)))
		}
		limit, ok := stepLimit(f, tensor.ScaleDtype, amax)
		for i := g; ok && i < g+f.GroupSize; i++ {
			if d := math.Abs(float64(got[i]) - float64(w[i])); !(d <= limit) {
				t.Fatalf("%s: %v decodes to %v, in a group up to %v", f, w[i], got[i], amax)
			}
		}
	}
}

// stepLimit is how far a value may move in a group of largest magnitude amax; false where the
// format promises nothing, because its scales cannot hold the group's.
func stepLimit(f Format, scale Dtype, amax float64) (float64, bool) {
	switch f.Mode {
	case NVFP4: // half of 4..6, under a scale that is up to 1/16 larger than amax/6
		return amax / 6 * (1 + 1./16), amax >= 6*0x1p-6 && amax <= 6*448
	case MXFP4: // the same half step, under a scale up to twice amax/6
		return amax / 3, amax >= 0x1p-100
	case MXFP8: // half of 416..448 of 448, under a scale up to twice amax/448
		return amax / 14, amax >= 0x1p-100
	}
	// affine: the range is up to 2*amax; the far end may be a step away, and scales and biases are
	// rounded.
	round := map[Dtype]float64{BF16: 0x1p-8, F16: 0x1p-10, F32: 0x1p-20}[scale]
	fits := amax > 1e-3 && amax < 6e4 || scale != F16 && amax > 1e-6 && amax < 1e38
	return amax * (2.01/float64(int(1)<<f.Bits-1) + 4*round), fits
}
