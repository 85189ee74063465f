package quant

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
)

// weights are n normal values of standard deviation std.
func weights(n int, std float64) []float32 {
	rng := rand.New(rand.NewPCG(11, uint64(n)))
	w := make([]float32, n)
	for i := range w {
		w[i] = float32(rng.NormFloat64() * std)
	}
	return w
}

// TestEncodePlain converts between float dtypes, rounding to nearest even.
func TestEncodePlain(t *testing.T) {
	f64 := binary.LittleEndian.AppendUint64(nil, math.Float64bits(1.0000000001))
	for _, c := range []struct {
		from, to  Dtype
		src, want []byte
	}{
		{F32, BF16, scaleBytes(t, F32, 1+0x1p-8, -3), []byte{0x80, 0x3F, 0x40, 0xC0}},
		{BF16, F16, []byte{0x80, 0x3F}, []byte{0x00, 0x3C}},
		{F16, F32, []byte{0x01, 0x00}, scaleBytes(t, F32, 0x1p-24)},
		{F64, BF16, f64, []byte{0x80, 0x3F}},
		{F32, F16, scaleBytes(t, F32, 1e6), []byte{0x00, 0x7C}},
		{BF16, BF16, []byte{0xC1, 0x7F}, []byte{0xC1, 0x7F}}, // the same type: copied, NaN and all
		{I32, I32, []byte{1, 2, 3, 4}, []byte{1, 2, 3, 4}},
	} {
		got := make([]byte, len(c.want))
		if err := Encode(PlainFormat(c.to), Packed{Weight: got}, Values{c.src, c.from}, Options{}); err != nil || !bytes.Equal(got, c.want) {
			t.Errorf("%s to %s: % x, %v; want % x", c.from, c.to, got, err, c.want)
		}
	}
}

// TestEncodeScale packs affine with scales of the type asked for, and other formats as ever.
func TestEncodeScale(t *testing.T) {
	w := weights(3*128, 0.02)
	for _, f := range writtenFormats() {
		want := encodeWhole(t, f, Float32s(w))
		p := newPacked(f, len(w), F32)
		if err := Encode(f, p, Float32s(w), Options{Scale: F32}); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(p.Weight, want.Data) || !bytes.Equal(p.Scales, want.Scales) || !bytes.Equal(p.Biases, want.Biases) {
			t.Errorf("%s: differs without the scales' type", f)
		}
		narrow := newPacked(f, len(w), BF16)
		if err := Encode(f, narrow, Float32s(w), Options{Scale: BF16}); err != nil {
			t.Fatal(err)
		}
		if f.Mode == Affine {
			wide := make([]float32, len(w)/f.GroupSize)
			if err := ToFloat32(wide, p.Scales, F32); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(narrow.Scales, scaleBytes(t, BF16, wide...)) || !bytes.Equal(narrow.Weight, p.Weight) {
				t.Errorf("%s: bf16 scales are not the rounded f32 ones over the same codes", f)
			}
		}
	}
}

// TestEncodeF64 goes through float32 in pieces: the same bytes as rounding first.
func TestEncodeF64(t *testing.T) {
	w := weights(40*64, 0.02)
	var src []byte
	for _, x := range w {
		src = binary.LittleEndian.AppendUint64(src, math.Float64bits(float64(x)*(1+0x1p-30)))
	}
	for _, f := range []Format{FormatNVFP4, FormatMXFP8, FormatInt4} {
		want := encodeWhole(t, f, Float32s(w))
		p := newPacked(f, len(w), F32)
		if err := Encode(f, p, Values{src, F64}, Options{}); err != nil || !bytes.Equal(p.Weight, want.Data) || !bytes.Equal(p.Scales, want.Scales) {
			t.Errorf("%s: differs from the float32 of it, or %v", f, err)
		}
	}
}

// TestGlobalScale: small weights, which nvfp4 alone loses, keep the error of large ones.
func TestGlobalScale(t *testing.T) {
	for _, std := range []float64{0.02, 0.002, 1e-6} {
		w := weights(64*64, std)
		amax := float32(0)
		for _, x := range w {
			amax = max(amax, x, -x)
		}
		g := GlobalScale(amax)
		p := newPacked(FormatNVFP4, len(w), F32)
		p.Global = g
		if err := Encode(FormatNVFP4, p, Float32s(w), Options{}); err != nil {
			t.Fatal(err)
		}
		tensor := Tensor{Shape: []int{64, 64}, Format: FormatNVFP4, Data: p.Weight, Scales: p.Scales, Global: []float32{g}}
		if e := math.Sqrt(lossOf(w, decodeAll(t, tensor), nil, 0).Relative()); e > 0.1 {
			t.Errorf("std %v: relative error %.3f with a global scale, want 0.095", std, e)
		}
	}
	for _, amax := range []float32{0, 0x1p-149, float32(math.Inf(1)), float32(math.NaN())} {
		if g := GlobalScale(amax); g != 1 {
			t.Errorf("of %v: %v, want 1", amax, g)
		}
	}
}

// TestEncodeSearch: no group loses more than by the plain rule, and all together lose less by as much
// as Options says. Sums of the kernels are float32, which allows for a little.
func TestEncodeSearch(t *testing.T) {
	w := weights(64*1024, 0.02)
	src := Values{scaleBytes(t, BF16, w...), BF16}
	if err := ToFloat32(w, src.Data, BF16); err != nil {
		t.Fatal(err)
	}
	for _, f := range writtenFormats() {
		plain, found := newPacked(f, len(w), BF16), newPacked(f, len(w), BF16)
		errs := []error{Encode(f, plain, src, Options{}), Encode(f, found, src, Options{Search: true})}
		if errs[0] != nil || errs[1] != nil {
			t.Fatal(errs)
		}
		var before, after Loss
		for at := 0; at < len(w); at += f.GroupSize {
			group := src.piece(at, at+f.GroupSize)
			a, errA := MeasureLoss(f, plain.Piece(f, BF16, at, at+f.GroupSize), BF16, group, nil)
			b, errB := MeasureLoss(f, found.Piece(f, BF16, at, at+f.GroupSize), BF16, group, nil)
			if errA != nil || errB != nil || b.Error > a.Error*1.00001 {
				t.Fatalf("%s: the group at %d loses %v, by the plain rule %v", f, at, b.Error, a.Error)
			}
			before, after = before.Add(a), after.Add(b)
		}
		gain, least := 1-after.Error/before.Error, 0.02
		switch {
		case f == FormatMXFP8:
			least = 0
		case f == FormatNVFP4 || f.Mode == Affine && f.Bits == 8:
			least = 0.25
		}
		if gain < least {
			t.Errorf("%s: loses %.1f%% less, want %.0f%%", f, 100*gain, 100*least)
		}
		t.Logf("%s: squared error less by %.1f%%", f, 100*gain)
		values := newPacked(f, len(w), BF16)
		if err := Encode(f, values, Float32s(w), Options{Scale: BF16, Search: true}); err != nil || !bytes.Equal(values.Weight, found.Weight) || !bytes.Equal(values.Scales, found.Scales) {
			t.Errorf("%s: from values it packs differently, %v", f, err)
		}
	}
}

// TestEncodeRefuses sizes and types, each with an error and without writing.
func TestEncodeRefuses(t *testing.T) {
	src := make([]byte, 64)
	good := newPacked(FormatNVFP4, 32, BF16)
	for _, c := range []struct {
		name   string
		format Format
		packed Packed
		src    []byte
		from   Dtype
	}{
		{"half a group", FormatNVFP4, good, src[:50], BF16},
		{"half an element", FormatNVFP4, good, src[:63], BF16},
		{"short weight", FormatNVFP4, Packed{Weight: good.Weight[1:], Scales: good.Scales}, src, BF16},
		{"long scales", FormatNVFP4, Packed{Weight: good.Weight, Scales: make([]byte, 3)}, src, BF16},
		{"biases it has not", FormatNVFP4, Packed{Weight: good.Weight, Scales: good.Scales, Biases: make([]byte, 1)}, src, BF16},
		{"a type that is no weight", FormatNVFP4, good, src, I16},
		{"no type", FormatNVFP4, good, src, NoDtype},
		{"keep", Format{}, good, src, BF16},
		{"fp8", Format{Mode: FP8, Bits: 8}, good, src, BF16},
		{"affine of 7 bits", AffineFormat(7, 32), good, src, BF16},
		{"plain, short", FormatBF16, Packed{Weight: make([]byte, 63)}, src, BF16},
		{"plain, of another size", FormatF32, Packed{Weight: make([]byte, 64)}, src, BF16},
		{"plain integers from floats", PlainFormat(I32), Packed{Weight: make([]byte, 128)}, src, BF16},
	} {
		if err := Encode(c.format, c.packed, Values{c.src, c.from}, Options{}); err == nil {
			t.Errorf("%s: no error", c.name)
		}
	}
	for _, g := range []float32{-1, float32(math.NaN()), float32(math.Inf(1)), 0x1p-149} {
		p := good
		p.Global = g
		if err := Encode(FormatNVFP4, p, Values{src, BF16}, Options{}); err == nil {
			t.Errorf("global scale %v: no error", g)
		}
	}
	other := newPacked(FormatMXFP4, 32, BF16)
	other.Global = 2
	if err := Encode(FormatMXFP4, other, Values{src, BF16}, Options{}); err == nil {
		t.Error("a global scale beside mxfp4: no error")
	}
	if err := Encode(FormatInt4, newPacked(FormatInt4, 64, F64), Float32s(make([]float32, 64)), Options{Scale: F64}); err == nil {
		t.Error("f64 scales: no error")
	}
}

func TestNonFinite(t *testing.T) {
	w := []float32{0, 1, float32(math.Inf(1)), -2, float32(math.NaN()), float32(math.Inf(-1)), math.MaxFloat32 / 2}
	var f64 []byte
	for _, x := range w {
		f64 = binary.LittleEndian.AppendUint64(f64, math.Float64bits(float64(x)))
	}
	for d, src := range map[Dtype][]byte{BF16: scaleBytes(t, BF16, w...), F32: Float32s(w).Data, F64: f64} {
		if n, err := NonFinite(src, d); n != 3 || err != nil {
			t.Errorf("%s: %d, %v; want 3", d, n, err)
		}
	}
	if n, err := NonFinite(scaleBytes(t, F16, w...), F16); n != 4 || err != nil { // the last is too large for f16
		t.Errorf("F16: %d, %v; want 4", n, err)
	}
	if _, err := NonFinite(make([]byte, 4), I32); err == nil {
		t.Error("integers: no error")
	}
}

// TestMeasureLoss: exact values lose nothing, pieces add up, and normal weights lose what is known.
func TestMeasureLoss(t *testing.T) {
	w := weights(128*1024, 0.02)
	src := Values{scaleBytes(t, BF16, w...), BF16}
	for _, c := range []struct {
		format   Format
		from, to float64 // of the relative root mean square error
	}{
		{FormatBF16, 0, 0}, {FormatF16, 0, 1e-4}, {FormatNVFP4, 0.095, 0.11}, {FormatMXFP4, 0.10, 0.13},
		{FormatMXFP8, 0.02, 0.03}, {FormatInt4, 0.08, 0.11}, {FormatInt8, 0.005, 0.01},
	} {
		p := newPacked(c.format, len(w), BF16)
		if err := Encode(c.format, p, src, Options{}); err != nil {
			t.Fatal(err)
		}
		whole, err := MeasureLoss(c.format, p, BF16, src, nil)
		if err != nil {
			t.Fatal(err)
		}
		if e := math.Sqrt(whole.Relative()); e < c.from || e > c.to {
			t.Errorf("%s: relative error %.4f, want %v to %v", c.format, e, c.from, c.to)
		}
		half := len(w) / 2
		a, errA := MeasureLoss(c.format, p.Piece(c.format, BF16, 0, half), BF16, src.piece(0, half), nil)
		b, errB := MeasureLoss(c.format, p.Piece(c.format, BF16, half, len(w)), BF16, src.piece(half, len(w)), nil)
		if sum := a.Add(b); errA != nil || errB != nil || math.Abs(sum.SNR()-whole.SNR()) > 1e-6 {
			t.Errorf("%s: %v dB in halves, %v in one", c.format, sum.SNR(), whole.SNR())
		}
	}
	if (Loss{}).Relative() != 0 || !math.IsInf((Loss{Error: 1}).Relative(), 1) {
		t.Error("zeros that stay lose nothing; zeros that do not, everything")
	}
	if _, err := MeasureLoss(FormatNVFP4, Packed{}, BF16, src, nil); err == nil {
		t.Error("parts of the wrong size: no error")
	}
}

// TestEncodeColumns: with weights of columns, a search loses least by them, and less than one without; float64
// values, which are encoded in pieces, pack alike. Weights of other rows are refused.
func TestEncodeColumns(t *testing.T) {
	const cols = 384 // no divisor of a piece
	w, columns := weights(96*cols, 0.02), make([]float32, cols)
	for i := range columns {
		columns[i] = float32(math.Exp(math.Sin(float64(i*i)) * 4))
	}
	var wide []byte
	for _, x := range w {
		wide = binary.LittleEndian.AppendUint64(wide, math.Float64bits(float64(x)))
	}
	for _, f := range writtenFormats() {
		if f == FormatMXFP8 {
			continue // it has nothing to search
		}
		loss := func(o Options) (Packed, float64) {
			p := newPacked(f, len(w), F32)
			if err := Encode(f, p, Float32s(w), o); err != nil {
				t.Fatal(err)
			}
			l, err := MeasureLoss(f, p, F32, Float32s(w), columns)
			if err != nil {
				t.Fatal(err)
			}
			return p, l.Relative()
		}
		_, plain := loss(Options{})
		_, searched := loss(Options{Search: true})
		p, weighed := loss(Options{Search: true, Columns: columns})
		if !(weighed < searched && weighed < plain) {
			t.Errorf("%s: loses %g with weights, %g without, %g by the plain rule", f, weighed, searched, plain)
		}
		t.Logf("%s: weighed squared error less by %.1f%%, without weights by %.1f%%", f, 100*(1-weighed/plain), 100*(1-searched/plain))
		again := newPacked(f, len(w), F32)
		if err := Encode(f, again, Values{wide, F64}, Options{Search: true, Columns: columns}); err != nil || !bytes.Equal(again.Weight, p.Weight) {
			t.Errorf("%s: from float64 it packs differently, %v", f, err)
		}
		for _, n := range []int{cols - 1, 2 * len(w), 40} {
			if err := Encode(f, again, Float32s(w), Options{Search: true, Columns: make([]float32, n)}); err == nil {
				t.Errorf("%s: takes weights of %d columns", f, n)
			}
		}
	}
}
