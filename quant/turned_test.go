package quant

import (
	"bytes"
	"fmt"
	"testing"
)

// turnedOf is a tensor's matrices input by input, with more elements between the inputs than rows.
func turnedOf(t Tensor, more int) Tensor {
	rows, cols, size := t.Shape[len(t.Shape)-2], Columns(t.Shape), t.elementBytes()
	out := t
	out.Stride = rows + more
	out.Data = make([]byte, out.turnedElements()*size)
	for row := range t.rows() {
		for c := range cols {
			at := (row/rows*cols+c)*out.Stride + row%rows
			copy(out.Data[at*size:][:size], t.Data[(row*cols+c)*size:])
		}
	}
	return out
}

// TestTurned: rows of matrices that lie input by input are those of the same matrices row by row.
func TestTurned(t *testing.T) {
	for _, d := range []Dtype{BF16, F32} {
		for _, shape := range [][]int{{3, 5, 70}, {5, 33}, {2, 1, 1}, {1, 64, 32}} {
			for _, more := range []int{0, 7} {
				t.Run(fmt.Sprintf("%s%v+%d", d, shape, more), func(t *testing.T) {
					plain := Tensor{Shape: shape, Format: PlainFormat(d), Data: scaleBytes(t, d, weights(Elements(shape), 1)...)}
					turned := turnedOf(plain, more)
					if err := turned.Validate(); err != nil {
						t.Fatal(err)
					}
					checkRows(t, turned, plain)
				})
			}
		}
	}
}

func checkRows(t *testing.T, got, want Tensor) {
	t.Helper()
	for from := range got.rows() {
		for to := from; to <= got.rows(); to++ {
			size := got.RowsSize(to - from)
			buf := append(make([]byte, size), 0xA5)
			own := got.CopyRows(buf[:size:size], from, to)
			if is := want.CopyRows(make([]byte, size), from, to); !bytes.Equal(own.Data, is.Data) || own.Turned() || buf[size] != 0xA5 {
				t.Fatalf("rows %d to %d differ", from, to)
			}
		}
	}
	if !bytes.Equal(Float32s(decodeAll(t, got)).Data, Float32s(decodeAll(t, want)).Data) {
		t.Error("decoded values differ")
	}
}

// TestTurnedFP8: so are those of FP8, whose scales lie input by input with them.
func TestTurnedFP8(t *testing.T) {
	for _, shape := range [][]int{{3, 5, 70}, {2, 130, 33}, {1, 1}, {2, 64, 32}} {
		for _, block := range []int{0, 32, 64} {
			t.Run(fmt.Sprintf("%v in blocks of %d", shape, block), func(t *testing.T) {
				plain := Tensor{Shape: shape, Format: Format{Mode: FP8, Bits: 8, BlockRows: block, BlockCols: block}, ScaleDtype: F32, Data: make([]byte, Elements(shape))}
				for i := range plain.Data {
					plain.Data[i] = byte(i * 11 % 0x7f)
				}
				b := plain.blocks()
				matrices := Elements(shape) / (b.rows * b.cols)
				plain.Scales = scaleBytes(t, F32, weights(matrices*b.down*b.across, 2)...)
				turned := turnedOf(plain, 0)
				turned.Scales = make([]byte, len(plain.Scales))
				for i := range len(plain.Scales) / 4 {
					m, row, c := i/(b.down*b.across), i/b.across%b.down, i%b.across
					copy(turned.Scales[4*((m*b.across+c)*b.down+row):][:4], plain.Scales[4*i:])
				}
				if err := turned.Validate(); err != nil {
					t.Fatal(err)
				}
				checkRows(t, turned, plain)
				if own, is := turned.CopyRows(make([]byte, turned.RowsSize(turned.rows())), 0, turned.rows()), plain.CopyRows(make([]byte, plain.RowsSize(plain.rows())), 0, plain.rows()); !bytes.Equal(own.Scales, is.Scales) {
					t.Error("scales of rows differ")
				}
				if _, err := (Span{Tensor: turned, N: turned.rows()}).rows(nil); err == nil {
					t.Error("they are multiplied by where they lie, which no kernel does")
				}
			})
		}
	}
}

// TestTurnedRefused: sizes are held to shape and stride.
func TestTurnedRefused(t *testing.T) {
	good := turnedOf(Tensor{Shape: []int{2, 3, 4}, Format: FormatF32, Data: make([]byte, 96)}, 1)
	for name, edit := range map[string]func(*Tensor){
		"a stride below the rows": func(t *Tensor) { t.Stride = 2 },
		"data cut":                func(t *Tensor) { t.Data = t.Data[:len(t.Data)-4] },
		"a vector":                func(t *Tensor) { t.Shape = []int{24} },
		"an impossible stride":    func(t *Tensor) { t.Stride = 1 << 62 },
		"packed":                  func(t *Tensor) { t.Format = FormatMXFP8 },
		"FP8 with a gap":          func(t *Tensor) { t.Format, t.Data = Format{Mode: FP8, Bits: 8}, t.Data[:24] },
	} {
		bad := good
		if edit(&bad); bad.Validate() == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
