package cost

import (
	"qimport/convert/source"
	"qimport/quant"
)

// elements are the values of one tensor in row-major order, in pieces of equal size: one piece, or
// one an expert. load lends the tensor that piece i lies in, and the element of it that the piece
// starts at, which begins a row.
type elements struct {
	shape  []int
	format quant.Format
	bytes  int64 // stored size, scales included
	pieces int
	global bool // a global scale multiplies it
	load   func(i int) (t quant.Tensor, start int, err error)
	guard  func(f func() error) error // runs f, which reads what load lent
	// fuse adds to decoded rows of what load(i) lent, from row on, what adapters change of them; nil for none.
	fuse func(i, row int, values []float32) error
}

// elementsOf reads a tensor piece by piece; nothing is copied together.
func elementsOf(s *source.Source, t source.Tensor) elements {
	e := elements{shape: t.Shape, format: t.Lends(), bytes: t.Bytes(), pieces: len(t.Pieces), global: t.Global != source.NoGlobal, guard: s.Guard}
	e.fuse = func(i, row int, values []float32) error { return s.Fuse(t, i, row, values) }
	e.load = func(i int) (quant.Tensor, int, error) {
		piece, err := s.LoadPiece(t, i)
		return piece, 0, err
	}
	return e
}

// half is the gate (0) or the up (1) part of fused expert projections [E, 2I, H].
func (e elements) half(h int) elements {
	if len(e.shape) != 3 || e.shape[1]%2 != 0 {
		return e // refused by the comparison, since the sizes differ
	}
	experts, width, cols := e.shape[0], e.shape[1]/2, e.shape[2]
	apart := e
	apart.shape, apart.bytes, apart.pieces = []int{experts, width, cols}, e.bytes/2, experts
	apart.load = func(i int) (quant.Tensor, int, error) {
		if e.pieces == experts {
			t, start, err := e.load(i)
			return t, start + h*width*cols, err
		}
		t, start, err := e.load(0)
		return t, start + (2*i+h)*width*cols, err
	}
	if e.pieces != experts && e.fuse != nil {
		apart.fuse = func(_, row int, values []float32) error { return e.fuse(0, row, values) }
	}
	return apart
}

// atOnce is how many elements are compared at a time: 256 KiB of float32 on each side.
const atOnce = 1 << 16

// elementReader decodes stretches of a tensor, whatever the length of its rows: conv1d's [C,1,K]
// and [C,K,1] hold the same elements in the same order.
type elementReader struct {
	elements
	piece  quant.Tensor // the one that number says
	start  int
	number int    // from 1; 0 before the first
	own    []byte // copy of the rows that are decoded
	buf    []float32
	from   int // place of buf[0] in the tensor
}

// read is the elements from at on, as many as are decoded at once: at least one, never past the
// end of a piece. The slice is good until the next read.
func (r *elementReader) read(at int) ([]float32, error) {
	if at < r.from || at >= r.from+len(r.buf) {
		if err := r.decode(at); err != nil {
			return nil, err
		}
	}
	return r.buf[at-r.from:], nil
}

func (r *elementReader) decode(at int) error {
	size := quant.Elements(r.shape) / r.pieces
	if i := at / size; i+1 != r.number {
		var err error
		if r.piece, r.start, err = r.load(i); err != nil {
			return err
		}
		r.number = i + 1
	}
	cols := quant.Columns(r.piece.Shape)
	row := at % size / cols
	rows := min(max(1, atOnce/cols), size/cols-row)
	if cap(r.buf) < rows*cols {
		r.buf = make([]float32, rows*cols)
	}
	r.buf, r.from = r.buf[:rows*cols], at/size*size+row*cols
	row += r.start / cols
	if n := r.piece.RowsSize(rows); cap(r.own) < n {
		r.own = make([]byte, n)
	}
	var own quant.Tensor
	if err := r.guard(func() error { own = r.piece.CopyRows(r.own[:cap(r.own)], row, row+rows); return nil }); err != nil {
		return err
	}
	if err := own.Decode(r.buf, 0); err != nil {
		return err
	}
	if r.fuse == nil {
		return nil
	}
	return r.fuse(at/size, row, r.buf)
}
