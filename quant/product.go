package quant

import (
	"errors"
	"fmt"
	"unsafe"

	"qimport/quant/kernel"
)

// Span is N consecutive rows of a tensor from row From on, counted over all its leading dimensions.
type Span struct {
	Tensor  Tensor
	From, N int
}

// Product multiplies by a matrix [Out, In], or a stack of them, whose rows stay packed where they lie.
// Columns are float32, and so are sums: see kernel.Row.Times for the bound of the error. Results
// are the same bits on any number of threads. Several goroutines may use a product at the same time.
type Product struct{ m *kernel.Matrix }

// NewProduct makes the product with experts, each the rows of its spans in their order; one for a plain
// matrix. Spans may differ in format. It checks the lengths of all parts, and that experts and spans fit
// together. The bytes are borrowed until Close.
func NewProduct(experts [][]Span) (*Product, error) {
	in := -1
	rows := make([][]kernel.Rows, len(experts))
	for e, spans := range experts {
		for i, s := range spans {
			var err error
			if rows[e], err = s.rows(rows[e]); err != nil {
				return nil, fmt.Errorf("expert %d, span %d: %w", e, i, err)
			}
			if in < 0 {
				in = Columns(s.Tensor.Shape)
			}
			if c := Columns(s.Tensor.Shape); c != in || in == 0 {
				return nil, fmt.Errorf("expert %d, span %d: %d columns do not fit %d", e, i, c, in)
			}
		}
		if a, b := height(rows[e]), height(rows[0]); a != b {
			return nil, fmt.Errorf("expert %d has %d rows, the first one %d", e, a, b)
		}
	}
	if in < 0 || height(rows[0]) == 0 {
		return nil, errors.New("a product needs rows")
	}
	return &Product{kernel.NewMatrix(in, rows)}, nil
}

func height(rows []kernel.Rows) (n int) {
	for _, r := range rows {
		n += r.N
	}
	return n
}

// rows appends the rows of s, cut where the global scale or, of FP8 and what lies input by input, the matrix
// changes.
func (s Span) rows(to []kernel.Rows) ([]kernel.Rows, error) {
	t := s.Tensor
	if err := t.Validate(); err != nil {
		return nil, err
	}
	all := t.rows()
	if s.From < 0 || s.N < 0 || s.From > all || s.N > all-s.From {
		return nil, fmt.Errorf("rows %d and on, %d of them, are not rows of the shape %v", s.From, s.N, t.Shape)
	}
	cut := max(all, 1)
	switch {
	case t.Format.Mode == FP8:
		cut = t.blocks().rows
	case t.Turned():
		cut = t.Shape[len(t.Shape)-2]
	case len(t.Global) > 1:
		cut = all / len(t.Global)
	}
	for at := s.From; at < s.From+s.N; {
		n := min(cut-at%cut, s.From+s.N-at)
		r, err := t.kernelRows(at, n)
		if err != nil {
			return nil, err
		}
		to = append(to, r)
		at += n
	}
	return to, nil
}

// layouts are the kernel's names of the modes.
var layouts = map[Mode]kernel.Layout{
	Plain: kernel.Plain, NVFP4: kernel.NVFP4, MXFP4: kernel.MXFP4, MXFP8: kernel.MXFP8,
	Affine: kernel.Affine, FP8: kernel.E4M3,
}

// kernelRows are n rows from row at on, under one global scale and in one matrix.
func (t Tensor) kernelRows(at, n int) (kernel.Rows, error) {
	f := t.Format
	layout, ok := layouts[f.Mode]
	r := kernel.Rows{N: n, Layout: layout, Bits: f.Bits, Group: f.GroupSize, Global: 1}
	if !ok {
		return r, fmt.Errorf("rows of %s cannot multiply: decode them", f)
	}
	dtype := t.ScaleDtype
	if f.Mode == Plain {
		dtype = f.Dtype
	}
	if f.Mode == Plain || t.hasFloatScales() {
		if r.Elem, ok = dtype.elem(); !ok {
			return r, fmt.Errorf("rows of %s cannot multiply: decode them", dtype)
		}
	}
	if t.Turned() && f.Mode == FP8 {
		return r, fmt.Errorf("rows of %s that lie input by input cannot multiply: copy them", f)
	}
	if t.Turned() {
		r.Layout, r.Step, r.Data = kernel.Turned, t.Stride, t.turnedRows(at, n)
		return r, nil
	}
	all := t.rows()
	part := func(b []byte) []byte {
		size := len(b) / all
		return b[at*size : (at+n)*size]
	}
	r.Data, r.Biases = part(t.Data), part(t.Biases)
	switch {
	case f.Mode == FP8:
		b := t.blocks()
		perMatrix := b.down * b.across * t.ScaleDtype.Size()
		r.Scales = t.Scales[at/b.rows*perMatrix:][:perMatrix]
		r.First, r.Height, r.Wide = at%b.rows, b.height, b.wide
	default:
		r.Scales = part(t.Scales)
	}
	if len(t.Global) > 0 {
		r.Global = t.Global[at/(all/len(t.Global))]
	}
	return r, nil
}

// Out is the rows of each matrix: the length of a result.
func (p *Product) Out() int { return p.m.Out }

// In is the length of a column.
func (p *Product) In() int { return p.m.In }

// Experts is the number of matrices.
func (p *Product) Experts() int { return p.m.Experts() }

// Multiply writes the products of the first matrix with the columns x [n, In] to y [n, Out].
func (p *Product) Multiply(y, x []float32) { p.m.Multiply(y, x) }

// MultiplyExperts writes to row i of y [len(ids), Out] the product of matrix ids[i] with its column. x is
// [len(ids)/each, In]: a row of it is shared by `each` consecutive ids. An id that is no matrix gives zeros.
func (p *Product) MultiplyExperts(y, x []float32, ids []uint32) { p.m.MultiplyExperts(y, x, ids) }

// Decode writes rows of the stack, as one matrix [Experts*Out, In], to y [len(rows), In]: an embedding.
// A number that is no row gives zeros.
func (p *Product) Decode(y []float32, rows []int32) { p.m.Decode(y, rows) }

// ProductCall names a method of Product that C code may call.
type ProductCall uint8

// The calls, and their inputs, all row-major: Multiply of x, float32; MultiplyExperts of x, float32, and
// ids, uint32; Decode of rows, int32 or uint32.
const (
	CallMultiply ProductCall = iota
	CallExperts
	CallDecode
)

// Function is the C function of a call, with its argument, which is good until Close; nil without cgo:
//
//	void f(const void *argument, const void *const *inputs, const int64_t *sizes, void *output)
//
// sizes are the elements of each input.
func (p *Product) Function(c ProductCall) (function, argument unsafe.Pointer) {
	return p.m.Entry(kernel.Entry(c))
}

// Close lets go of the bytes. The product cannot be used any more.
func (p *Product) Close() { p.m.Close() }
