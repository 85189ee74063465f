package kernel

import "unsafe"

// Feedback is what error feedback needs of the inputs of a matrix. With R, upper triangular, of R R^T = the
// inputs' second moments, columns in the order in which they are encoded, the errors e of a row lose |e R|^2 in the
// output. An element of e R is made of the errors of its own column and of those before: the latter are made up for
// in the target of the former.
type Feedback struct {
	Order   []int32   // the columns in the order in which they are encoded: whole groups, in any order of columns
	Group   int       // of so many columns
	Upper   []float64 // [columns, columns], both in that order: R with each column divided by its diagonal; 0 below
	Columns []float32 // by column: the square of R's diagonal, what an error weighs once it is made up for
}

// first is the first column of the group whose columns begin at a place in the order.
func (f Feedback) first(place int) int { return int(f.Order[place]) / f.Group * f.Group }

// The fast form takes feedRows rows at a time, each a column of matrices [columns, rows], and goes on to columns
// further off only every feedColumns: a multiple of every group. Every element has its products subtracted in the
// order of the definition.
const (
	feedRows    = 64
	feedColumns = 128
)

// fedTile encodes one group of some rows at a time.
type fedTile struct {
	group int
	// begin chooses the scales of group g of rows from row on: values is [rows, group], h the group's weights. Groups
	// come in any order.
	begin func(row, g int, values, h []float32)
	// column encodes element i of that group, of each row, and says what it has become. Elements come in any order.
	column func(i int, x, decoded []float32)
	end    func()
}

// feed encodes w [n, columns].
func (s *Set) feed(w []float32, t fedTile, f Feedback) {
	step := feedRows * len(f.Columns)
	for from := 0; from < len(w); from += step {
		s.feedTile(from/len(f.Columns), w[from:min(from+step, len(w))], t, f)
	}
}

func (s *Set) feedTile(row int, w []float32, t fedTile, f Feedback) {
	cols := len(f.Columns)
	rows := len(w) / cols
	upper := Block{Values: f.Upper, Rows: cols, Columns: cols, Stride: cols}
	rest := Block{Values: make([]float64, cols*rows), Rows: cols, Columns: rows, Stride: rows}
	lost := Block{Values: make([]float64, feedColumns*rows), Rows: feedColumns, Columns: rows, Stride: rows}
	for r := range rows {
		row := w[r*cols:][:cols]
		for k, c := range f.Order {
			rest.Values[k*rows+r] = float64(row[c])
		}
	}
	values, x, decoded := make([]float32, rows*t.group), make([]float32, rows), make([]float32, rows)
	for b := 0; b < cols; b += feedColumns {
		end := min(b+feedColumns, cols)
		for g := b; g < end; g += t.group {
			next, first := g+t.group, f.first(g)
			for k := g; k < next; k++ {
				i := int(f.Order[k]) - first
				for r, y := range rest.Row(k) {
					values[r*t.group+i] = float32(y)
				}
			}
			t.begin(row, first/t.group, values, f.Columns[first:first+t.group])
			for k := g; k < next; k++ {
				column := int(f.Order[k])
				for r, y := range rest.Row(k) {
					x[r] = float32(y)
				}
				t.column(column-first, x, decoded)
				for r, d := range decoded {
					lost.Values[(k-b)*rows+r] = float64(d) - float64(w[r*cols+column])
				}
				s.SubtractProduct(rest.Part(k+1, next, 0, rows), upper.Part(k, k+1, k+1, next), lost.Part(k-b, k-b+1, 0, rows))
			}
			t.end()
			s.SubtractProduct(rest.Part(next, end, 0, rows), upper.Part(g, next, next, end), lost.Part(g-b, next-b, 0, rows))
		}
		s.SubtractProduct(rest.Part(end, cols, 0, rows), upper.Part(b, end, end, cols), lost.Part(0, end-b, 0, rows))
	}
}

// feedNVFP4 is EncodeNVFP4Feedback over the other functions of a set.
func (s *Set) feedNVFP4(codes, scales []byte, w []float32, global float32, f Feedback) {
	enc := 1 / global
	s.feed(w, fedE2M1(codes, scales, nvfp4Group, f, func(codes, scales []byte, values, h []float32) {
		s.EncodeNVFP4(codes, scales, asBytes(values), F32, global, Search{On: true, Columns: h})
	}, func(code byte) (inv, step float32) {
		return nvfp4Inverse(code, enc), DecodeE4M3(code) * global
	}), f)
}

// feedMXFP4 is EncodeMXFP4Feedback over the other functions of a set.
func (s *Set) feedMXFP4(codes, scales []byte, w []float32, f Feedback) {
	s.feed(w, fedE2M1(codes, scales, mxGroup, f, func(codes, scales []byte, values, h []float32) {
		s.EncodeMXFP4(codes, scales, asBytes(values), F32, Search{On: true, Columns: h})
	}, mxfp4Steps), f)
}

// fedE2M1 encodes to e2m1 codes: search chooses scales, steps says what elements are multiplied by under one and
// what codes are.
func fedE2M1(codes, scales []byte, group int, f Feedback, search func(codes, scales []byte, values, h []float32), steps func(code byte) (inv, step float32)) fedTile {
	groups := len(f.Columns) / group
	var inv, step [feedRows]float32
	var chosen [feedRows]byte
	unused := make([]byte, feedRows*mxGroup/2)
	at, stride := 0, groups*group/2 // of the group in codes
	return fedTile{
		group: group,
		begin: func(row, g int, values, h []float32) {
			rows := len(values) / group
			search(unused[:rows*group/2], chosen[:rows], values, h)
			for r, code := range chosen[:rows] {
				scales[(row+r)*groups+g] = code
				inv[r], step[r] = steps(code)
			}
			at = (row*groups + g) * group / 2
		},
		column: func(i int, x, decoded []float32) {
			shift, to := i%2*4, at+i/2
			for r, v := range x {
				c := EncodeE2M1(v * inv[r])
				codes[to+r*stride] = codes[to+r*stride]&^(15<<shift) | c<<shift
				decoded[r] = DecodeE2M1(c) * step[r]
			}
		},
		end: func() {},
	}
}

// feedAffine is EncodeAffineFeedback over the other functions of a set.
func (s *Set) feedAffine(codes, scales, biases []byte, w []float32, scale Elem, bits, group int, f Feedback) {
	top, size, groups := float32(int(1)<<bits-1), group*bits/8, len(f.Columns)/group
	steps, offsets := make([]float32, feedRows), make([]float32, feedRows)
	picked := make([]float32, feedRows*group)
	chosen, chosenBiases, unused := make([]byte, feedRows*scale.Size()), make([]byte, feedRows*scale.Size()), make([]byte, feedRows*size)
	first, rows := 0, 0 // the group in codes, of how many rows
	s.feed(w, fedTile{
		group: group,
		begin: func(row, g int, values, h []float32) {
			first, rows = row*groups+g, len(values)/group
			n := rows * scale.Size()
			s.EncodeAffine(unused[:rows*size], chosen[:n], chosenBiases[:n], asBytes(values), F32, scale, bits, group, Search{On: true, Columns: h})
			for r := range rows {
				steps[r], offsets[r] = fitAffine(values[r*group:][:group], h, scale.load(chosen, r), scale.load(chosenBiases, r), top, scale)
				scale.store(scales, first+r*groups, steps[r])
				scale.store(biases, first+r*groups, offsets[r])
			}
		},
		column: func(i int, x, decoded []float32) {
			for r, v := range x {
				picked[r*group+i], decoded[r] = affineFeedback(v, steps[r], offsets[r], top)
			}
		},
		end: func() {
			for r := range rows {
				packBits(codes[(first+r*groups)*size:][:size], picked[r*group:][:group], bits, pickedCode)
			}
		},
	}, f)
}

func asBytes(v []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
}
