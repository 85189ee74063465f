package quant

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"qimport/quant/kernel"
)

// randomCodes are n bytes, none of which is the NaN of e4m3.
func randomCodes(n int) []byte {
	rng := rand.New(rand.NewPCG(5, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.IntN(127)) | byte(rng.IntN(2))<<7
	}
	return b
}

func scaleBytes(t *testing.T, d Dtype, values ...float32) []byte {
	t.Helper()
	b := make([]byte, len(values)*d.Size())
	if err := FromFloat32(b, d, values); err != nil {
		t.Fatal(err)
	}
	return b
}

func fp8(shape []int, rows, cols int, d Dtype, scales []byte) Tensor {
	f := Format{Mode: FP8, Bits: 8, BlockRows: rows, BlockCols: cols}
	return Tensor{Shape: shape, Format: f, ScaleDtype: d, Data: randomCodes(Elements(shape)), Scales: scales}
}

// TestExpandToMXFP8: what expands decodes to the very same values.
func TestExpandToMXFP8(t *testing.T) {
	for _, c := range []struct {
		name   string
		tensor Tensor
		ok     bool
	}{
		{"blocks cut at both edges", fp8([]int{5, 96}, 4, 64, F32, scaleBytes(t, F32, 1, 0x1p-7, 2, 0x1p9)), true},
		{"ends of e8m0", fp8([]int{1, 64}, 1, 32, F32, scaleBytes(t, F32, 0x1p-127, 0x1p127)), true},
		{"bf16 scales, stack", fp8([]int{2, 3, 64}, 2, 64, BF16, scaleBytes(t, BF16, 1, 2, 4, 8)), true},
		{"one scale", fp8([]int{3, 32}, 0, 0, F32, scaleBytes(t, F32, 0.5)), true},
		{"one scale a row", fp8([]int{3, 32}, 1, 0, F32, scaleBytes(t, F32, 0.5, 1, 2)), true},
		{"one wide block need not be whole groups of 32", fp8([]int{1, 64}, 1, 80, F32, scaleBytes(t, F32, 4)), true},
		{"not a power of two", fp8([]int{3, 32}, 1, 0, F32, scaleBytes(t, F32, 0.5, 1, 3)), false},
		{"negative", fp8([]int{1, 32}, 1, 0, F32, scaleBytes(t, F32, -1)), false},
		{"zero", fp8([]int{1, 32}, 1, 0, F32, scaleBytes(t, F32, 0)), false},
		{"infinite", fp8([]int{1, 32}, 1, 0, F32, scaleBytes(t, F32, float32(math.Inf(1)))), false},
		{"too small for e8m0", fp8([]int{1, 32}, 1, 0, F32, scaleBytes(t, F32, 0x1p-128)), false},
		{"blocks across groups", fp8([]int{1, 96}, 1, 48, F32, scaleBytes(t, F32, 1, 2)), false},
		{"columns not whole groups", fp8([]int{2, 48}, 2, 0, F32, scaleBytes(t, F32, 1)), false},
		{"no FP8", Tensor{Shape: []int{1, 32}, Format: FormatMXFP8, Data: make([]byte, 32), Scales: make([]byte, 1)}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := decodeAll(t, c.tensor)
			if got := c.tensor.ExpandsToMXFP8(); got != c.ok {
				t.Fatalf("expands: %v, want %v", got, c.ok)
			}
			if !c.ok {
				return
			}
			out := Tensor{Shape: c.tensor.Shape, Format: FormatMXFP8, Data: c.tensor.Data, Scales: make([]byte, len(c.tensor.Data)/32)}
			perRow := Columns(out.Shape) / 32
			if err := c.tensor.ExpandScales(out.Scales[:perRow], 0); err != nil {
				t.Fatal(err)
			}
			if err := c.tensor.ExpandScales(out.Scales[perRow:], 1); err != nil {
				t.Fatal(err)
			}
			if got := decodeAll(t, out); !bytes.Equal(Float32s(got).Data, Float32s(want).Data) {
				t.Error("the expanded tensor decodes to other values")
			}
		})
	}
}

func TestExpandScalesRefuses(t *testing.T) {
	tensor := fp8([]int{2, 32}, 1, 0, F32, scaleBytes(t, F32, 1, 3))
	for name, err := range map[string]error{
		"a scale that is no power of two": tensor.ExpandScales(make([]byte, 2), 0),
		"rows past the end":               tensor.ExpandScales(make([]byte, 2), 1),
		"a row before the first":          tensor.ExpandScales(make([]byte, 1), -1),
	} {
		if err == nil {
			t.Errorf("%s passes", name)
		}
	}
}

func TestNaNCodes(t *testing.T) {
	if n := NaNCodes([]byte{0, 0x7E, 0x7F, 0x80, 0xFE, 0xFF}); n != 2 {
		t.Errorf("%d NaN, want 2", n)
	}
}

// TestFoldGlobal: what folds decodes to the very same values without its global scale.
func TestFoldGlobal(t *testing.T) {
	one := []float32{1, 0.5, 8, 0} // block scales
	for _, c := range []struct {
		name   string
		global []float32
		scales []float32
		ok     bool
	}{
		{"none", nil, one, true},
		{"one", []float32{1}, one, true},
		{"a power of two", []float32{0x1p-3}, one, true},
		{"each expert its own", []float32{0x1p3, 0x1p-3}, one, true},
		{"into the subnormals, exactly", []float32{0x1p-9}, []float32{1, 2, 3, 4}, true},
		{"under the smallest", []float32{0x1p-10}, one, false},
		{"past the largest", []float32{64}, one, false},
		{"subnormal result without enough bits", []float32{0x1p-9}, []float32{1.125, 1, 1, 1}, false},
		{"three times a power of two", []float32{3}, []float32{1, 0.5, 8, 0}, true}, // 3, 1.5 and 24 are e4m3
		{"no power of two", []float32{1.3}, one, false},
		{"only zeros", []float32{1.3}, []float32{0, 0, 0, 0}, true},
		{"NaN", []float32{float32(math.NaN())}, one, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			tensor := Tensor{Shape: []int{2, 1, 32}, Format: FormatNVFP4, Global: c.global, Data: randomCodes(32)}
			for _, s := range c.scales {
				tensor.Scales = append(tensor.Scales, kernel.EncodeE4M3(s))
			}
			if got := tensor.FoldsGlobal(); got != c.ok {
				t.Fatalf("folds: %v, want %v", got, c.ok)
			}
			out := tensor
			out.Global, out.Scales = nil, make([]byte, len(tensor.Scales))
			errs := []error{tensor.FoldScales(out.Scales[:2], 0), tensor.FoldScales(out.Scales[2:], 1)}
			if !c.ok {
				if errs[0] == nil && errs[1] == nil {
					t.Error("folds against its own word")
				}
				return
			}
			if !bytes.Equal(Float32s(decodeAll(t, out)).Data, Float32s(decodeAll(t, tensor)).Data) {
				t.Error("the folded tensor decodes to other values")
			}
		})
	}
}
