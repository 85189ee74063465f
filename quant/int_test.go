package quant

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// intCase is a matrix of integers in the making.
type intCase struct {
	format     Format
	rows, cols int
	scale      Dtype
}

func intCases() []intCase {
	var all []intCase
	for bits := 2; bits <= 8; bits++ {
		for _, zeros := range []bool{false, true} {
			for _, group := range []int{0, 32, 128, 256, 48, 16} {
				all = append(all, intCase{IntFormat(bits, group, Words, zeros), 7, 256, BF16})
			}
			all = append(all, intCase{IntFormat(bits, 0, Words, zeros), 5, 37, F16}) // rows with padding
			all = append(all, intCase{IntFormat(bits, 64, Bytes, zeros), 6, 192, F32})
			if 32%bits != 0 {
				all = append(all, intCase{IntFormat(bits, 32, WholeWords, zeros), 23, 128, BF16}, intCase{IntFormat(bits, 0, WholeWords, zeros), 5, 37, F16})
			}
		}
		whole := IntFormat(bits, 0, Bytes, false)
		whole.BlockRows = 0
		all = append(all, intCase{whole, 4, 64, BF16})
	}
	return append(all, intCase{IntFormat(4, 64, RowPairs, false), 8, 192, F32}, intCase{IntFormat(4, 0, RowPairs, false), 2, 64, F32})
}

// TestInts builds tensors of random integers element by element, and demands the numbers
// (integer - zero point) * scale of Decode, and of a copy, which is affine wherever a format allows it.
func TestInts(t *testing.T) {
	for i, c := range intCases() {
		t.Run(fmt.Sprintf("%s/%d/%dx%d", c.format, c.format.Packing, c.rows, c.cols), func(t *testing.T) {
			x, want := c.build(t, rand.New(rand.NewPCG(uint64(i), 1)))
			if err := x.Validate(); err != nil {
				t.Fatal(err)
			}
			got := make([]float32, len(want))
			if err := x.Decode(got, 0); err != nil {
				t.Fatal(err)
			}
			holdInts(t, c, got, want)
			from, n := 1, c.rows-1
			buffer := make([]byte, x.RowsSize(n))
			part := x.CopyRows(buffer, from, from+n)
			affine, dtype, ok := c.format.AffineOf(c.cols, c.scale)
			if ok && (part.Format != affine || part.ScaleDtype != dtype) || !ok && part.Format != FormatF32 {
				t.Fatalf("the copy is %s with scales %s", part.Format, part.ScaleDtype)
			}
			if err := part.Validate(); err != nil {
				t.Fatal(err)
			}
			got = make([]float32, n*c.cols)
			if err := part.Decode(got, 0); err != nil {
				t.Fatal(err)
			}
			holdInts(t, c, got, want[from*c.cols:])
		})
	}
}

// holdInts demands the very numbers of scales with at most eleven bits, whose products float32 holds.
// With others, code * scale + bias rounds three times, relative to half the range of the codes.
func holdInts(t *testing.T, c intCase, got, want []float32) {
	t.Helper()
	for i := range want {
		loose := float32(0)
		if c.scale == F32 {
			loose = float32(math.Ldexp(1, c.format.Bits-23)) // of a scale of at most 1
		}
		if d := got[i] - want[i]; d > loose || -d > loose || d != d {
			t.Fatalf("element %d: got %v, want %v", i, got[i], want[i])
		}
	}
}

// build makes the arrays from the definition of each packing, a bit at a time.
func (c intCase) build(t *testing.T, rng *rand.Rand) (Tensor, []float32) {
	t.Helper()
	f := c.format
	weight, scales, zeros, err := f.IntLayout([]int{c.rows, c.cols}, c.scale)
	if err != nil {
		t.Fatal(err)
	}
	x := Tensor{Shape: []int{c.rows, c.cols}, Format: f, ScaleDtype: c.scale, Data: make([]byte, weight.Bytes()), Zeros: make([]byte, zeros.Bytes())}
	groups := scales.Shape[1]
	s := make([]float32, Elements(scales.Shape))
	for i := range s {
		s[i] = rng.Float32()
	}
	x.Scales = make([]byte, len(s)*c.scale.Size())
	if err := FromFloat32(x.Scales, c.scale, s); err != nil {
		t.Fatal(err)
	}
	if err := ToFloat32(s, x.Scales, c.scale); err != nil { // as they are stored
		t.Fatal(err)
	}
	half := 1 << (f.Bits - 1)
	z := make([]int, len(s))
	for i := range z {
		if f.Zeros {
			z[i] = rng.IntN(2*half) - half
			place := func(word int) int { return word*groups + i%groups }
			switch f.Packing {
			case Words:
				setBits(x.Zeros, i/groups*f.Bits, f.Bits, z[i]+half, place)
			case WholeWords:
				setWhole(x.Zeros, i/groups, f.Bits, z[i]+half, place)
			default:
				x.Zeros[i] = byte(z[i])
			}
		}
	}
	want := make([]float32, c.rows*c.cols)
	for i := range want {
		row, col := i/c.cols, i%c.cols
		v := rng.IntN(2*half) - half
		switch f.Packing {
		case Words:
			setBits(x.Data, col*f.Bits, f.Bits, v+half, func(word int) int { return row*weight.Shape[1] + word })
		case WholeWords:
			setWhole(x.Data, col, f.Bits, v+half, func(word int) int { return row*weight.Shape[1] + word })
		case Bytes:
			x.Data[i] = byte(v)
		case RowPairs:
			x.Data[row/2*c.cols+col] |= byte(v) & 15 << (4 * (row % 2))
		}
		at := row * f.BlockRows * groups
		if f.GroupSize > 0 {
			at += col / f.GroupSize
		}
		want[i] = float32(float64(v-z[at]) * float64(s[at]))
	}
	return x, want
}

// setBits writes a code at a bit of a run of 32-bit words, which lie where place says.
func setBits(b []byte, at, bits, code int, place func(word int) int) {
	for i := range bits {
		bit := at + i
		if code>>i&1 == 1 {
			b[4*place(bit/32)+bit%32/8] |= 1 << (bit % 8)
		}
	}
}

// setWhole writes a code to one of words that each have as many whole codes as they can.
func setWhole(b []byte, i, bits, code int, place func(word int) int) {
	each := 32 / bits
	setBits(b, i%each*bits, bits, code, func(int) int { return place(i / each) })
}

// TestIntsOutOfOrder: columns that change places with their groups keep their numbers, and no affine format
// holds them.
func TestIntsOutOfOrder(t *testing.T) {
	for i, c := range []intCase{
		{IntFormat(4, 32, Words, true), 7, 96, F16},
		{IntFormat(3, 32, Words, false), 5, 128, BF16},
		{IntFormat(8, 48, Words, false), 3, 112, BF16}, // the last group is cut
		{IntFormat(4, 32, Bytes, true), 6, 64, BF16},
	} {
		rng := rand.New(rand.NewPCG(uint64(i), 2))
		sorted, values := c.build(t, rng)
		from := rng.Perm(c.cols) // of each column, which it was
		x, want := sorted, make([]float32, len(values))
		x.Data, x.Order = make([]byte, len(sorted.Data)), nil
		for _, col := range from {
			x.Order = binary.LittleEndian.AppendUint32(x.Order, uint32(col/c.format.GroupSize))
		}
		codes, words := make([]byte, c.cols), len(x.Data)/c.rows/4
		for row := range c.rows {
			sorted.codes(codes, row)
			for to, col := range from {
				want[row*c.cols+to] = values[row*c.cols+col]
				if c.format.Packing == Bytes {
					x.Data[row*c.cols+to] = sorted.Data[row*c.cols+col]
				} else {
					setBits(x.Data, to*c.format.Bits, c.format.Bits, int(codes[col]), func(word int) int { return row*words + word })
				}
			}
		}
		if err := x.Validate(); err != nil {
			t.Fatal(err)
		}
		got := make([]float32, len(want))
		if err := x.Decode(got, 0); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: other numbers, %v", c.format, err)
		}
		part := x.CopyRows(make([]byte, x.RowsSize(2)), 1, 3)
		got = got[:2*c.cols]
		if err := part.Decode(got, 0); err != nil || part.Format != FormatF32 || !slices.Equal(got, want[c.cols:3*c.cols]) {
			t.Errorf("%s: a copy of rows is %s, of other numbers, %v", c.format, part.Format, err)
		}
		short, row := x, x
		short.Order = x.Order[4:]
		row.Format.GroupSize = 0
		if short.Validate() == nil || row.Validate() == nil {
			t.Errorf("%s: an order of %d inputs, or of a scale a row", c.format, c.cols-1)
		}
	}
}

// TestAffineOf is the list of what becomes of integers.
func TestAffineOf(t *testing.T) {
	for _, c := range []struct {
		f     Format
		cols  int
		want  Format
		scale Dtype
	}{
		{IntFormat(4, 128, Words, false), 256, AffineFormat(4, 128), BF16},
		{IntFormat(4, 128, Words, true), 256, AffineFormat(4, 128), F32},
		{IntFormat(8, 0, Bytes, false), 256, AffineFormat(8, 128), BF16},
		{IntFormat(8, 0, Bytes, false), 96, AffineFormat(8, 32), BF16},
		{IntFormat(7, 256, Words, false), 256, AffineFormat(8, 128), BF16},
		{IntFormat(5, 64, WholeWords, true), 256, AffineFormat(5, 64), F32},
		{IntFormat(3, 96, Words, false), 192, AffineFormat(3, 32), BF16},
		{IntFormat(4, 16, Words, false), 256, Format{}, NoDtype},
		{IntFormat(4, 0, Words, false), 40, Format{}, NoDtype},
		{FormatNVFP4, 256, Format{}, NoDtype},
	} {
		if got, dtype, ok := c.f.AffineOf(c.cols, BF16); got != c.want || dtype != c.scale || ok != (c.want != Format{}) {
			t.Errorf("%s with %d columns: got %s with scales %s", c.f, c.cols, got, dtype)
		}
	}
}

// TestIntsRefused: formats and tensors of integers that cannot be.
func TestIntsRefused(t *testing.T) {
	for _, f := range []Format{
		IntFormat(1, 0, Words, false), IntFormat(9, 0, Words, false), IntFormat(4, -1, Words, false),
		IntFormat(8, 0, RowPairs, false), IntFormat(4, 0, RowPairs, true), IntFormat(4, 0, Packing(9), false),
		IntFormat(4, 0, WholeWords, false), IntFormat(9, 0, WholeWords, false), IntFormat(0, 0, WholeWords, false),
	} {
		if _, _, _, err := f.IntLayout([]int{4, 64}, BF16); err == nil {
			t.Errorf("%s: there is no such format", f)
		}
	}
	f := IntFormat(4, 0, RowPairs, false)
	for _, shape := range [][]int{{3, 64}, {64}, {2, 4, 64}, {0, 64}, {4, 0}, {math.MaxInt / 2, 64}} {
		if _, _, _, err := f.IntLayout(shape, BF16); err == nil {
			t.Errorf("%v is no shape for %s", shape, f)
		}
	}
	x := Tensor{Shape: []int{2, 32}, Format: IntFormat(3, 0, Bytes, false), ScaleDtype: BF16, Data: make([]byte, 64), Scales: make([]byte, 4)}
	x.Data[40] = 4
	if err := x.CheckCodes(0, 1); err != nil {
		t.Error(err)
	}
	if err := x.CheckCodes(0, 2); err == nil {
		t.Error("3 bits cannot be 4")
	}
	if err := x.Decode(make([]float32, 64), 0); err == nil {
		t.Error("3 bits cannot be 4, decoded")
	}
	x.Zeros = []byte{0}
	if err := x.Validate(); err == nil {
		t.Error("zero points that the format has not")
	}
}

// TestInputs: scales of a layer's input multiply the columns of whatever is decoded.
func TestInputs(t *testing.T) {
	inputs := make([]float32, 64)
	for i := range inputs {
		inputs[i] = float32(i) - 20.5
	}
	x, want := intCase{IntFormat(4, 32, Words, false), 3, 64, BF16}.build(t, rand.New(rand.NewPCG(7, 7)))
	x.Inputs = inputs
	for i := range want {
		want[i] *= inputs[i%64]
	}
	got := make([]float32, len(want))
	if err := x.Decode(got, 0); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v: got %v, want %v", err, got, want)
	}
	part := x.CopyRows(make([]byte, x.RowsSize(2)), 1, 3)
	got = got[:128]
	if err := part.Decode(got, 0); err != nil || !slices.Equal(got, want[64:]) {
		t.Errorf("a copy of rows, %v: got %v, want %v", err, got, want[64:])
	}
	x.Inputs = inputs[:63]
	if x.Validate() == nil {
		t.Error("63 scales for 64 columns")
	}
}
