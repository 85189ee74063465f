package quant

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"qimport/quant/kernel"
)

// TestDecodeFP8Blocks: element * scale of its block, blocks cut at the edges of each matrix of a stack.
func TestDecodeFP8Blocks(t *testing.T) {
	for _, c := range []struct {
		shape      []int
		rows, cols int // of a block; 0 is all
	}{
		{[]int{7, 10}, 3, 4}, {[]int{6, 8}, 3, 4}, {[]int{2, 5, 10}, 2, 4}, {[]int{2, 5, 10}, 0, 0}, {[]int{4, 3}, 1, 0}, {[]int{4, 3}, 0, 1}, {[]int{2, 3}, 128, 128},
	} {
		for _, d := range []Dtype{BF16, F16, F32} {
			t.Run(fmt.Sprintf("%v %dx%d %s", c.shape, c.rows, c.cols, d), func(t *testing.T) {
				rows, cols := c.shape[len(c.shape)-2], Columns(c.shape)
				high, wide := c.rows, c.cols
				if high == 0 {
					high = rows
				}
				if wide == 0 {
					wide = cols
				}
				down, across := int(math.Ceil(float64(rows)/float64(high))), int(math.Ceil(float64(cols)/float64(wide)))
				scales := make([]float32, Elements(c.shape)/rows/cols*down*across)
				for i := range scales {
					scales[i] = 1 + float32(i)/16
				}
				tensor := fp8(c.shape, c.rows, c.cols, d, scaleBytes(t, d, scales...))
				got := decodeAll(t, tensor)
				for i, x := range got {
					matrix, row, col := i/cols/rows, i/cols%rows, i%cols
					s := scales[(matrix*down+row/high)*across+col/wide]
					if want := kernel.DecodeE4M3(tensor.Data[i]) * s; x != want {
						t.Fatalf("element %d is %v, want %v", i, x, want)
					}
				}
				mustDecodeInRows(t, tensor, got)
			})
		}
	}
}

// mustDecodeInRows decodes one row at a time, and the last two together, in place and from a copy of
// each stretch of rows.
func mustDecodeInRows(t *testing.T, tensor Tensor, want []float32) {
	t.Helper()
	cols := Columns(tensor.Shape)
	rows := len(want) / cols
	mustDecodeCopies(t, tensor, want)
	for row := range rows {
		n := min(2, rows-row) * cols
		dst := make([]float32, n)
		if err := tensor.Decode(dst, row); err != nil {
			t.Fatal(err)
		}
		for i, x := range dst {
			if w := want[row*cols+i]; math.Float32bits(x) != math.Float32bits(w) {
				t.Fatalf("row %d, value %d: %v, want %v", row, i, x, w)
			}
		}
	}
}

// mustDecodeCopies copies every stretch of rows, within a canary, and decodes it.
func mustDecodeCopies(t *testing.T, tensor Tensor, want []float32) {
	t.Helper()
	cols := Columns(tensor.Shape)
	rows := len(want) / cols
	for from := range rows {
		for to := from; to <= rows; to++ {
			size := tensor.RowsSize(to - from)
			buf := bytes.Repeat([]byte{0xa5}, size+8)
			own := tensor.CopyRows(buf[:size:size], from, to)
			if !bytes.Equal(buf[size:], bytes.Repeat([]byte{0xa5}, 8)) {
				t.Fatalf("rows %d to %d: more than %d bytes were written", from, to, size)
			}
			if err := own.Validate(); from < to && err != nil {
				t.Fatalf("rows %d to %d: %v", from, to, err)
			}
			for i, x := range decodeAll(t, own) {
				if w := want[from*cols+i]; math.Float32bits(x) != math.Float32bits(w) {
					t.Fatalf("rows %d to %d, value %d: %v, want %v", from, to, i, x, w)
				}
			}
		}
	}
}

// TestDecodeNVFP4Global: none, one for all, one an expert.
func TestDecodeNVFP4Global(t *testing.T) {
	shape := []int{3, 2, 32}
	plain := Tensor{Shape: shape, Format: FormatNVFP4, Data: randomCodes(96), Scales: randomCodes(12)}
	base := decodeAll(t, plain)
	for _, global := range [][]float32{{0.3}, {0.3, 7, 1e-4}} {
		tensor := plain
		tensor.Global = global
		got := decodeAll(t, tensor)
		for i, x := range got {
			if want := base[i] * global[i*len(global)/len(got)]; x != want {
				t.Fatalf("global %v: element %d is %v, want %v", global, i, x, want)
			}
		}
		mustDecodeInRows(t, tensor, got)
	}
}

// TestDecodeInRows: every written format decodes in pieces as in one.
func TestDecodeInRows(t *testing.T) {
	for _, f := range writtenFormats() {
		w := make([]float32, 5*128)
		for i := range w {
			w[i] = float32(math.Sin(float64(i*i))) / 3
		}
		tensor := encodeWhole(t, f, Float32s(w))
		tensor.Shape = []int{5, 128}
		mustDecodeInRows(t, tensor, decodeAll(t, tensor))
	}
}

// TestDecodePlain reads every float dtype; f64 rounds.
func TestDecodePlain(t *testing.T) {
	for _, c := range []struct {
		dtype Dtype
		data  []byte
		want  float32
	}{
		{BF16, []byte{0x80, 0xBF}, -1}, {F16, []byte{0x00, 0x3E}, 1.5}, {F32, []byte{0, 0, 0x20, 0x41}, 10},
		{F64, []byte{0x9a, 0x99, 0x99, 0x99, 0x99, 0x99, 0xb9, 0x3f}, 0.1},
	} {
		tensor := Tensor{Format: PlainFormat(c.dtype), Data: c.data}
		if got := decodeAll(t, tensor); got[0] != c.want {
			t.Errorf("%s: %v, want %v", c.dtype, got[0], c.want)
		}
	}
}

// TestDecodeRefuses what it cannot do with any values.
func TestDecodeRefuses(t *testing.T) {
	matrix := Tensor{Shape: []int{2, 4}, Format: FormatF32, Data: make([]byte, 32)}
	for _, c := range []struct {
		name   string
		tensor Tensor
		n, row int
	}{
		{"rows past the end", matrix, 8, 1}, {"half a row", matrix, 2, 0}, {"row -1", matrix, 4, -1},
		{"integers", Tensor{Shape: []int{1, 4}, Format: PlainFormat(I32), Data: make([]byte, 16)}, 4, 0},
		{"no format", Tensor{Shape: []int{1, 4}, Data: make([]byte, 16)}, 4, 0},
	} {
		if err := c.tensor.Decode(make([]float32, c.n), c.row); err == nil {
			t.Errorf("%s: no error", c.name)
		}
	}
}

func TestValidate(t *testing.T) {
	part := func(n int) []byte { return make([]byte, n) }
	for _, c := range []struct {
		name   string
		tensor Tensor
		ok     bool
	}{
		{"scalar", Tensor{Format: FormatF32, Data: part(4)}, true},
		{"empty", Tensor{Shape: []int{0, 5}, Format: FormatBF16}, true},
		{"nvfp4", Tensor{Shape: []int{2, 32}, Format: FormatNVFP4, Data: part(32), Scales: part(4)}, true},
		{"nvfp4, globals of experts", Tensor{Shape: []int{2, 1, 32}, Format: FormatNVFP4, Data: part(32), Scales: part(4), Global: []float32{1, 2}}, true},
		{"affine", Tensor{Shape: []int{2, 64}, Format: AffineFormat(3, 32), ScaleDtype: F16, Data: part(48), Scales: part(8), Biases: part(8)}, true},
		{"fp8", Tensor{Shape: []int{3, 5}, Format: Format{Mode: FP8, Bits: 8, BlockRows: 2, BlockCols: 2}, ScaleDtype: F32, Data: part(15), Scales: part(24)}, true},
		{"no format", Tensor{Shape: []int{2}, Data: part(2)}, false},
		{"short data", Tensor{Shape: []int{2, 32}, Format: FormatNVFP4, Data: part(31), Scales: part(4)}, false},
		{"long scales", Tensor{Shape: []int{2, 32}, Format: FormatNVFP4, Data: part(32), Scales: part(5)}, false},
		{"biases it has not", Tensor{Shape: []int{2, 32}, Format: FormatMXFP8, Data: part(64), Scales: part(2), Biases: part(2)}, false},
		{"affine without a scale dtype", Tensor{Shape: []int{2, 64}, Format: FormatInt8, Data: part(128), Scales: part(4), Biases: part(4)}, false},
		{"columns not whole groups", Tensor{Shape: []int{2, 40}, Format: FormatMXFP8, Data: part(80), Scales: part(2)}, false},
		{"a vector of fp8", Tensor{Shape: []int{5}, Format: Format{Mode: FP8, Bits: 8}, ScaleDtype: F32, Data: part(5), Scales: part(4)}, false},
		{"globals that fit no dimension", Tensor{Shape: []int{2, 32}, Format: FormatNVFP4, Data: part(32), Scales: part(4), Global: []float32{1, 2, 3}}, false},
		{"global of mxfp4", Tensor{Shape: []int{1, 32}, Format: FormatMXFP4, Data: part(16), Scales: part(1), Global: []float32{1}}, false},
		{"negative dimension", Tensor{Shape: []int{-2, -2}, Format: FormatF32, Data: part(16)}, false},
		{"more elements than memory", Tensor{Shape: []int{1 << 40, 1 << 40}, Format: FormatF32}, false},
		{"bits that are none", Tensor{Shape: []int{1, 32}, Format: AffineFormat(7, 32), ScaleDtype: F32}, false},
	} {
		if err := c.tensor.Validate(); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
