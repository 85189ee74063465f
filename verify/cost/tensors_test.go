package cost

import (
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"qimport/quant"
)

// f32Tensor holds the values as they are.
func f32Tensor(shape []int, values []float32) quant.Tensor {
	return quant.Tensor{Shape: shape, Format: quant.FormatF32, Data: quant.Float32s(values).Data}
}

// whole is the elements of a tensor in one piece.
func whole(t quant.Tensor) elements {
	bytes := len(t.Data) + len(t.Scales) + len(t.Biases)
	return elements{shape: t.Shape, format: t.Format, bytes: int64(bytes), pieces: 1,
		load:  func(int) (quant.Tensor, int, error) { return t, 0, nil },
		guard: func(f func() error) error { return f() }}
}

func bellShaped(n int) []float32 {
	random := rand.New(rand.NewPCG(3, 5))
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(random.NormFloat64())
	}
	return values
}

// encoded is t in another format.
func encoded(t *testing.T, source quant.Tensor, f quant.Format) quant.Tensor {
	t.Helper()
	l, err := f.Layout(source.Shape, quant.BF16)
	if err != nil {
		t.Fatal(err)
	}
	values := make([]float32, quant.Elements(source.Shape))
	if err := source.Decode(values, 0); err != nil {
		t.Fatal(err)
	}
	p := quant.Packed{Weight: make([]byte, l.Weight.Bytes()), Scales: make([]byte, l.Scales.Bytes()), Biases: make([]byte, l.Biases.Bytes())}
	if err := quant.Encode(f, p, quant.Float32s(values), quant.Options{Scale: quant.BF16}); err != nil {
		t.Fatal(err)
	}
	return quant.Tensor{Shape: source.Shape, Format: f, ScaleDtype: quant.BF16, Data: p.Weight, Scales: p.Scales, Biases: p.Biases}
}

// Every format must cost bell-shaped weights something, and less than its limit by half or more;
// damage of the known kinds must cost more than the
func TestTensorErrorByFormat(t *testing.T) {
	source := f32Tensor([]int{64, 1024}, bellShaped(64*1024))
	formats := []quant.Format{
		quant.FormatBF16, quant.FormatF16, quant.FormatNVFP4, quant.FormatMXFP4, quant.FormatMXFP8,
		quant.FormatInt4, quant.FormatInt8, quant.AffineFormat(2, 32), quant.AffineFormat(3, 64),
		quant.AffineFormat(5, 64), quant.AffineFormat(6, 128), quant.AffineFormat(4, 128),
	}
	for _, f := range formats {
		t.Run(f.String(), func(t *testing.T) {
			ours := encoded(t, source, f)
			good, err := tensorError(context.Background(), tensorPair{name: "w", ours: whole(ours), source: whole(source)})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("error %.3g, limit %.3g, %.2f bits", good.Error, good.Limit, good.Bits)
			if good.Error == 0 || good.Error > good.Limit/2 {
				t.Errorf("error %v, want above 0 and at most half of %v", good.Error, good.Limit)
			}
			if !f.IsQuantized() {
				return
			}
			for name, damage := range map[string]func(quant.Tensor){"scales doubled": doubleScales, "nibbles swapped": swapNibbles} {
				bad := encoded(t, source, f)
				damage(bad)
				got, err := tensorError(context.Background(), tensorPair{name: "w", ours: whole(bad), source: whole(source)})
				if err != nil {
					t.Fatal(err)
				}
				if got.Error <= got.Limit {
					t.Errorf("%s: error %v is within %v", name, got.Error, got.Limit)
				}
			}
		})
	}
}

// doubleScales makes every scale twice as large: the exponent of an e4m3, e8m0 or bf16 up by one.
func doubleScales(t quant.Tensor) {
	switch t.Format.Mode {
	case quant.NVFP4:
		addToBytes(t.Scales, 1<<3)
	case quant.MXFP4, quant.MXFP8:
		addToBytes(t.Scales, 1)
	case quant.Affine:
		for i := 0; i < len(t.Scales); i += 2 {
			binary.LittleEndian.PutUint16(t.Scales[i:], binary.LittleEndian.Uint16(t.Scales[i:])+1<<7)
		}
	}
}

func addToBytes(b []byte, n byte) {
	for i := range b {
		b[i] += n
	}
}

func swapNibbles(t quant.Tensor) {
	for i, b := range t.Data {
		t.Data[i] = b<<4 | b>>4
	}
}

func TestTensorErrorExact(t *testing.T) {
	source := f32Tensor([]int{8, 1, 4}, bellShaped(32))
	turned := source
	turned.Shape = []int{8, 4, 1} // the other layout of conv1d: the same elements in the same order
	for name, ours := range map[string]quant.Tensor{"same": source, "conv1d turned": turned} {
		got, err := tensorError(context.Background(), tensorPair{name: "w", ours: whole(ours), source: whole(source)})
		if err != nil {
			t.Fatal(err)
		}
		if got.Error != 0 || got.SNR != nil || got.Limit != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestTensorErrorShift(t *testing.T) {
	source := f32Tensor([]int{4}, []float32{0, 0.5, -0.25, 1})
	ours := f32Tensor([]int{4}, []float32{1, 1.5, 0.75, 2})
	got, err := tensorError(context.Background(), tensorPair{name: "n", ours: whole(ours), source: whole(source), sourceShift: 1})
	if err != nil || got.Error != 0 {
		t.Errorf("a norm with its 1 added differs by %v (%v)", got.Error, err)
	}
	got, err = tensorError(context.Background(), tensorPair{name: "n", ours: whole(source), source: whole(source), sourceShift: 1})
	if err != nil || got.Error <= got.Limit {
		t.Errorf("a norm without its 1 has error %v, limit %v (%v)", got.Error, got.Limit, err)
	}
	got, err = tensorError(context.Background(), tensorPair{name: "n", ours: whole(source), source: whole(ours), ourShift: 1})
	if err != nil || got.Error != 0 {
		t.Errorf("the other way round it differs by %v (%v)", got.Error, err)
	}
}

func TestTensorErrorBroken(t *testing.T) {
	zeros := f32Tensor([]int{2, 2}, make([]float32, 4))
	nan := f32Tensor([]int{2, 2}, []float32{1, float32(math.NaN()), 1, 1})
	ones := f32Tensor([]int{2, 2}, []float32{1, 1, 1, 1})
	for name, p := range map[string]tensorPair{
		"a NaN":                     {ours: whole(nan), source: whole(ones)},
		"something where zeros are": {ours: whole(ones), source: whole(zeros)},
	} {
		got, err := tensorError(context.Background(), p)
		if err != nil || got.Error < 1 {
			t.Errorf("%s: error %v (%v)", name, got.Error, err)
		}
	}
	if _, err := tensorError(context.Background(), tensorPair{ours: whole(ones), source: whole(f32Tensor([]int{3}, make([]float32, 3)))}); err == nil {
		t.Error("tensors of different size were compared")
	}
}

func TestTensorErrorsWorstFirstAndCancelled(t *testing.T) {
	source := f32Tensor([]int{4, 64}, bellShaped(256))
	pairs := []tensorPair{
		{name: "b", ours: whole(source), source: whole(source)}, {name: "a", ours: whole(source), source: whole(source)},
		{name: "c", ours: whole(encoded(t, source, quant.FormatInt4)), source: whole(source)},
	}
	got, err := measure(context.Background(), pairs)
	if err != nil {
		t.Fatal(err)
	}
	if got[0].Name != "c" || got[1].Name != "a" || got[2].Name != "b" {
		t.Errorf("order %s %s %s, want c a b", got[0].Name, got[1].Name, got[2].Name)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := measure(ctx, pairs); err == nil {
		t.Error("a cancelled comparison has a result")
	}
}

// An expert stack in one piece against experts one by one, with rows that do not divide what is
// decoded at once.
func TestTensorErrorPieces(t *testing.T) {
	const experts, rows, cols = 3, 700, 100
	values := bellShaped(experts * rows * cols)
	stack := whole(f32Tensor([]int{experts, rows, cols}, values))
	single := stack
	single.pieces = experts
	single.load = func(i int) (quant.Tensor, int, error) {
		return f32Tensor([]int{rows, cols}, values[i*rows*cols:(i+1)*rows*cols]), 0, nil
	}
	permuted := single
	permuted.load = func(i int) (quant.Tensor, int, error) { return single.load((i + 1) % experts) }
	for name, tt := range map[string]struct {
		source elements
		want   float64
	}{"one by one": {single, 0}, "permuted": {permuted, 2}} {
		got, err := tensorError(context.Background(), tensorPair{ours: stack, source: tt.source})
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(got.Error-tt.want) > 0.05 {
			t.Errorf("%s: error %v, want %v", name, got.Error, tt.want)
		}
	}
}

// Experts as [E, gate rows and up rows, H], as the release has them, against gate and up apart.
func TestTensorErrorHalves(t *testing.T) {
	const experts, width, cols = 3, 5, 8
	fused := whole(f32Tensor([]int{experts, 2 * width, cols}, bellShaped(experts*2*width*cols)))
	all, _, err := fused.load(0)
	if err != nil {
		t.Fatal(err)
	}
	values := make([]float32, quant.Elements(all.Shape))
	if err := all.Decode(values, 0); err != nil {
		t.Fatal(err)
	}
	oneByOne := fused
	oneByOne.pieces = experts
	oneByOne.load = func(i int) (quant.Tensor, int, error) {
		size := 2 * width * cols
		return f32Tensor([]int{2 * width, cols}, values[i*size:(i+1)*size]), 0, nil
	}
	for h := range 2 {
		var apart []float32
		for e := range experts {
			apart = append(apart, values[(2*e+h)*width*cols:][:width*cols]...)
		}
		ours := whole(f32Tensor([]int{experts, width, cols}, apart))
		for name, source := range map[string]elements{"stacked": fused, "one by one": oneByOne} {
			got, err := tensorError(context.Background(), tensorPair{ours: ours, source: source.half(h)})
			if err != nil || got.Error != 0 {
				t.Errorf("half %d, %s: error %v (%v)", h, name, got.Error, err)
			}
			got, err = tensorError(context.Background(), tensorPair{ours: ours, source: source.half(1 - h)})
			if err != nil || got.Error < 1 {
				t.Errorf("half %d, %s: the other half has error %v (%v)", h, name, got.Error, err)
			}
		}
	}
}

func TestLoses(t *testing.T) {
	fp8 := quant.Format{Mode: quant.FP8, Bits: 8, BlockRows: 128, BlockCols: 128}
	for _, tt := range []struct {
		from, to quant.Format
		want     bool
	}{
		{quant.FormatBF16, quant.FormatNVFP4, true},
		{quant.FormatBF16, quant.FormatF32, false},
		{quant.FormatNVFP4, quant.FormatBF16, false},
		{quant.FormatNVFP4, quant.FormatNVFP4, false},
		{quant.AffineFormat(3, 64), quant.FormatNVFP4, true},
		{quant.FormatInt4, quant.FormatInt8, false},
		{quant.FormatMXFP4, quant.FormatMXFP8, false},
		{quant.FormatNVFP4, quant.FormatMXFP8, true},
		{fp8, quant.FormatMXFP8, false},
		{fp8, quant.FormatNVFP4, true},
	} {
		if got := loses(tt.from, tt.to); got != tt.want {
			t.Errorf("%s to %s: %t", tt.from, tt.to, got)
		}
	}
}
