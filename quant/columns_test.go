package quant

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// columnsCase is a by-columns tensor with the numbers that it was packed from.
type columnsCase struct {
	tensor Tensor
	values []float32
}

// putBits sets bits of a stream, least significant first, whose words lie apart words from each other.
func putBits(data []byte, apart, bits, i int, v uint32) {
	for b := range bits {
		bit := i*bits + b
		at := 4*(bit/32*apart) + bit%32/8
		data[at] |= byte(v>>b&1) << (bit % 8)
	}
}

// putPlanes sets bits of codes in planes: of 32 codes, first all low bits, then the next ones, then the top.
func putPlanes(data []byte, apart, bits, i int, v uint32) {
	widths := map[int][]int{3: {2, 1}, 5: {4, 1}, 6: {4, 2}, 7: {4, 2, 1}}[bits]
	first := i / 32 * bits
	for _, w := range widths {
		for b := range w {
			bit := i%32*w + b
			data[4*(first+bit/32)*apart+bit%32/8] |= byte(v>>b&1) << (bit % 8)
		}
		v >>= w
		first += w
	}
}

// newColumns packs random codes, bit by bit, as the makers of the formats do.
func newColumns(f Format, dtype Dtype, ordered bool, shape ...int) columnsCase {
	r := rand.New(rand.NewPCG(uint64(f.Bits), uint64(Elements(shape))))
	x := Tensor{Shape: shape, Format: f, ScaleDtype: dtype}
	c := x.columns()
	matrices := Elements(shape) / (c.rows * c.cols)
	x.Data = make([]byte, 4*matrices*c.words)
	x.Scales = make([]byte, matrices*c.groups*c.rows*dtype.Size())
	x.Zeros = make([]byte, 4*matrices*c.groups*c.zeroWords)
	scales, zeros := make([]float32, matrices*c.groups*c.rows), make([]uint32, matrices*c.groups*c.rows)
	for i := range scales {
		scales[i], zeros[i] = float32(1+r.IntN(1000))/4096, uint32(r.IntN(1<<f.Bits))
	}
	if err := FromFloat32(x.Scales, dtype, scales); err != nil {
		panic(err)
	}
	if err := ToFloat32(scales, x.Scales, dtype); err != nil {
		panic(err)
	}
	place := func(row int) int {
		if f.Mode == AWQ {
			return row/8*8 + []int{0, 4, 1, 5, 2, 6, 3, 7}[row%8]
		}
		return row
	}
	put := putBits
	if f.Mode == GPTQP {
		put = putPlanes
	}
	for i, z := range zeros {
		of := x.Zeros[4*(i/c.rows)*c.zeroWords:]
		if f.Mode == GPTQ && 32%f.Bits != 0 {
			z = (z - 1) & (1<<f.Bits - 1)
		}
		put(of, 1, f.Bits, place(i%c.rows), z)
	}
	if f.Mode == GPTQ && 32%f.Bits == 0 { // GPTQModel takes one from every field of a word, with borrows
		ones := ^uint32(0) / (1<<f.Bits - 1)
		for at := 0; at < len(x.Zeros); at += 4 {
			binary.LittleEndian.PutUint32(x.Zeros[at:], binary.LittleEndian.Uint32(x.Zeros[at:])-ones)
		}
	}
	values := make([]float32, Elements(shape))
	for m := range matrices {
		data := x.Data[4*m*c.words:]
		for k := range c.cols {
			g := k / c.inputs
			if ordered {
				g = r.IntN(c.groups)
				x.Order = binary.LittleEndian.AppendUint32(x.Order, uint32(g))
			}
			for row := range c.rows {
				q := uint32(r.IntN(1 << f.Bits))
				if f.Mode == AWQ {
					putBits(data[4*k*c.zeroWords:], 1, f.Bits, place(row), q)
				} else {
					put(data[4*row:], c.rows, f.Bits, k, q)
				}
				i := (m*c.groups+g)*c.rows + row
				values[(m*c.rows+row)*c.cols+k] = (float32(q) - float32(zeros[i])) * scales[i]
			}
		}
	}
	return columnsCase{x, values}
}

func columnsCases() map[string]columnsCase {
	cases := map[string]columnsCase{}
	add := func(f Format, dtype Dtype, ordered bool, shape ...int) {
		cases[fmt.Sprintf("%s %s %v ordered %t", f, dtype, shape, ordered)] = newColumns(f, dtype, ordered, shape...)
	}
	for bits := 2; bits <= 8; bits++ {
		for _, mode := range []Mode{GPTQ, GPTQ2} {
			add(Format{Mode: mode, Bits: bits, GroupSize: 128}, F16, false, 32, 256)
			add(Format{Mode: mode, Bits: bits, GroupSize: 32}, BF16, true, 32, 128)
		}
	}
	for _, bits := range []int{3, 5, 6, 7} {
		add(Format{Mode: GPTQP, Bits: bits, GroupSize: 128}, F16, false, 64, 256)
		add(Format{Mode: GPTQP, Bits: bits, GroupSize: 32}, BF16, true, 2, 32, 128)
	}
	for bits := 4; bits <= 7; bits++ {
		add(Format{Mode: AWQ, Bits: bits, GroupSize: 64}, F16, false, 64, 192)
	}
	add(Format{Mode: AWQ, Bits: 4, GroupSize: 128}, F16, false, 2, 40, 128)
	add(Format{Mode: GPTQ, Bits: 4, GroupSize: 32}, F32, false, 3, 32, 96)
	add(Format{Mode: GPTQ, Bits: 4, GroupSize: 32}, F16, true, 2, 32, 64)
	add(Format{Mode: GPTQ, Bits: 4}, F16, false, 32, 96)
	add(Format{Mode: GPTQ, Bits: 4, GroupSize: 16}, F16, false, 32, 64)
	add(Format{Mode: GPTQ2, Bits: 4, GroupSize: 256}, F16, false, 32, 384) // the last group is cut
	return cases
}

func TestColumnsDecode(t *testing.T) {
	for name, c := range columnsCases() {
		if err := c.tensor.Validate(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := make([]float32, len(c.values))
		if err := c.tensor.Decode(got, 0); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !slices.Equal(got, c.values) {
			t.Errorf("%s: decoded numbers differ", name)
		}
	}
}

// Any run of rows holds the same numbers, as affine where there are such groups.
func TestColumnsCopyRows(t *testing.T) {
	for name, c := range columnsCases() {
		cols, rows := Columns(c.tensor.Shape), c.tensor.rows()
		for _, run := range [][2]int{{0, rows}, {0, 8}, {8, 24}, {3, 17}, {rows - 1, rows}, {rows / 2, rows}} {
			own := c.tensor.CopyRows(make([]byte, c.tensor.RowsSize(run[1]-run[0])), run[0], run[1])
			if err := own.Validate(); err != nil {
				t.Fatalf("%s rows %v: %v", name, run, err)
			}
			if _, affine := c.tensor.Format.Affine(cols); own.Format.IsQuantized() != (affine && c.tensor.Order == nil) {
				t.Errorf("%s: its rows are %s", name, own.Format)
			}
			got := make([]float32, (run[1]-run[0])*cols)
			if err := own.Decode(got, 0); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, c.values[run[0]*cols:run[1]*cols]) {
				t.Errorf("%s rows %v differ", name, run)
			}
		}
	}
}

// The fast ways give the bytes of the definition.
func TestColumnsToRows(t *testing.T) {
	for _, f := range []Format{{Mode: GPTQ, Bits: 3}, {Mode: GPTQ, Bits: 4}, {Mode: GPTQ, Bits: 8}, {Mode: AWQ, Bits: 4},
		{Mode: GPTQP, Bits: 3}, {Mode: GPTQP, Bits: 5}, {Mode: GPTQP, Bits: 6}} {
		x := newColumns(f, F16, false, 64, 96).tensor
		c := x.columns()
		for _, run := range [][2]int{{0, 64}, {8, 16}, {16, 48}} {
			want := make([]byte, run[1]*c.cols*f.Bits/8)
			got := bytes.Clone(want)
			codesToRows(want, x.Data, f, f.Bits, c, run[0], run[1])
			switch f.Mode {
			case AWQ:
				nibblesToRows(got, x.Data, c.rows, c.cols, run[0], run[1])
			case GPTQP:
				planesToRows(got, x.Data, f.Bits, f.Bits, c, run[0], run[1])
			default:
				wordsToRows(got, x.Data, c.rows, run[0], run[1])
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s, %d rows from %d on: other bytes than the definition's", f, run[1], run[0])
			}
		}
	}
}

func TestColumnsValidate(t *testing.T) {
	good := newColumns(Format{Mode: GPTQ, Bits: 4, GroupSize: 32}, F16, true, 32, 64).tensor
	for name, damage := range map[string]func(*Tensor){
		"data":   func(x *Tensor) { x.Data = x.Data[4:] },
		"scales": func(x *Tensor) { x.Scales = x.Scales[2:] },
		"zeros":  func(x *Tensor) { x.Zeros = nil },
		"order":  func(x *Tensor) { x.Order = x.Order[4:] },
		"rows":   func(x *Tensor) { x.Shape = []int{31, 64} },
		"vector": func(x *Tensor) { x.Shape = []int{2048} },
		"bits":   func(x *Tensor) { x.Format.Bits = 9 },
		"group":  func(x *Tensor) { x.Format.GroupSize = -1 },
		"dtype":  func(x *Tensor) { x.ScaleDtype = I32 },
	} {
		x := good
		if damage(&x); x.Validate() == nil {
			t.Errorf("damaged %s: no error", name)
		}
	}
}

func BenchmarkColumnsCopyRows(b *testing.B) {
	for _, f := range []Format{{Mode: GPTQ, Bits: 4, GroupSize: 128}, {Mode: AWQ, Bits: 4, GroupSize: 128}, {Mode: GPTQ, Bits: 3, GroupSize: 128}, {Mode: AWQ, Bits: 5, GroupSize: 128}, {Mode: GPTQP, Bits: 5, GroupSize: 128}} {
		b.Run(f.String(), func(b *testing.B) {
			x := Tensor{Shape: []int{1024, 4096}, Format: f, ScaleDtype: F16}
			c := x.columns()
			x.Data, x.Scales, x.Zeros = make([]byte, 4*c.words), make([]byte, 2*c.groups*c.rows), make([]byte, 4*c.groups*c.zeroWords)
			dst := make([]byte, x.RowsSize(128))
			b.SetBytes(int64(128 * 4096 * f.Bits / 8))
			for i := 0; b.Loop(); i++ {
				x.CopyRows(dst, i%8*128, i%8*128+128)
			}
		})
	}
}
