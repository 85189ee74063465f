package verify

import (
	"cmp"
	"context"
	"fmt"
	"math"
	goruntime "runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"qimport/quant"
	"qimport/verify/report"
)

// tensorPair is one tensor on both sides.
type tensorPair struct {
	name         string
	ours, source elements
	// ourShift and sourceShift are added to the values before they are compared: 1 where one side
	// has a norm's gain without its 1, and the other with it.
	ourShift, sourceShift float32
}

// elements are the values of one tensor in row-major order, in pieces of equal size: one piece, or
// one an expert. load lends the tensor that piece i lies in, and the element of it that the piece
// starts at, which begins a row.
type elements struct {
	shape  []int
	format quant.Format
	bytes  int64 // stored size, scales included
	pieces int
	global bool // a second scale multiplies it
	load   func(i int) (t quant.Tensor, start int, err error)
	guard  func(f func() error) error // runs f, which reads what load lent
}

// tensorErrors measures every pair over all cores, worst first.
func tensorErrors(ctx context.Context, pairs []tensorPair) ([]report.Tensor, error) {
	errs := make([]report.Tensor, len(pairs))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(goruntime.GOMAXPROCS(0))
	for i, p := range pairs {
		g.Go(func() error {
			var err error
			errs[i], err = tensorError(ctx, p)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	slices.SortStableFunc(errs, worstFirst)
	return errs, nil
}

// worstFirst puts those over their limit before the others, then goes by error and name.
func worstFirst(a, b report.Tensor) int {
	switch {
	case a.Over() && !b.Over():
		return -1
	case b.Over() && !a.Over():
		return 1
	}
	return cmp.Or(cmp.Compare(b.Error, a.Error), strings.Compare(a.Name, b.Name))
}

// tensorError decodes both sides some rows at a time, so that memory stays the same however large
// the tensor is.
func tensorError(ctx context.Context, p tensorPair) (report.Tensor, error) {
	limit, err := tensorLimit(p)
	if err != nil {
		return report.Tensor{}, fmt.Errorf("tensor %s: %w", p.name, err)
	}
	diff, energy, err := squaredError(ctx, p)
	if err != nil {
		return report.Tensor{}, fmt.Errorf("tensor %s: %w", p.name, err)
	}
	e := report.Tensor{
		Name: p.name, Source: p.source.format.String(), Format: p.ours.format.String(),
		Bits:  8 * float64(p.ours.bytes) / float64(max(1, quant.Elements(p.ours.shape))),
		Error: relative(diff, energy), Limit: limit,
		Quantized: loses(p.source.format, p.ours.format), Zero: energy == 0,
	}
	if e.Error > 0 {
		e.SNR = number(-10 * math.Log10(e.Error))
	}
	return e, nil
}

// atOnce is how many elements are compared at a time: 256 KiB of float32 on each side.
const atOnce = 1 << 16

func squaredError(ctx context.Context, p tensorPair) (diff, energy float64, err error) {
	n := quant.Elements(p.ours.shape)
	if quant.Elements(p.source.shape) != n {
		return 0, 0, fmt.Errorf("its shape is %v, the source's is %v", p.ours.shape, p.source.shape)
	}
	ours, source := elementReader{elements: p.ours}, elementReader{elements: p.source}
	for at := 0; at < n; {
		if err := ctx.Err(); err != nil {
			return 0, 0, err
		}
		a, errA := ours.read(at)
		b, errB := source.read(at)
		if errA != nil {
			return 0, 0, errA
		}
		if errB != nil {
			return 0, 0, fmt.Errorf("in the source: %w", errB)
		}
		both := min(len(a), len(b))
		d, e := p.sumSquares(a[:both], b[:both])
		diff, energy, at = diff+d, energy+e, at+both
	}
	return diff, energy, nil
}

func (p tensorPair) sumSquares(ours, source []float32) (diff, energy float64) {
	for i, v := range source {
		want := float64(v) + float64(p.sourceShift)
		d := float64(ours[i]) + float64(p.ourShift) - want
		diff += d * d
		energy += want * want
	}
	return diff, energy
}

// relative is never less than finite sense allows: an error where the source is all zeros, or a
// NaN anywhere, is the largest there is.
func relative(diff, energy float64) float64 {
	if diff == 0 {
		return 0
	}
	r := diff / energy
	if math.IsNaN(r) || math.IsInf(r, 0) {
		return math.MaxFloat64
	}
	return r
}

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
	return own.Decode(r.buf, 0)
}

// tensorLimit is the error that the model's format may cost over the source's: none where both
// have the same format, or the model's holds every value of the source's. A format is not the same
// without the second scale that the source has.
func tensorLimit(p tensorPair) (float64, error) {
	if p.ourShift != p.sourceShift {
		return addedOneError, nil
	}
	if holds(p.ours.format, p.source.format) && !(p.source.global && !p.ours.global) {
		return 0, nil
	}
	b, err := boundsOf(p.ours.format)
	return b.tensor, err
}

// addedOneError is what adding 1 to a gain in bf16 may cost: 2^-8 of a value near 1, squared.
const addedOneError = 1.0 / (1 << 16)

// holds says whether every value that source can hold has a place in ours.
func holds(ours, source quant.Format) bool {
	switch {
	case ours == source:
		return true
	case ours == quant.FormatF32:
		return source.Mode == quant.Plain
	}
	return false
}

// loses says whether numbers change on their way into a quantized format: all but those that it holds,
// or, which the formats alone do not tell, may hold.
func loses(from, to quant.Format) bool {
	switch {
	case !to.IsQuantized() || holds(to, from):
		return false
	case to.Mode == quant.MXFP8:
		return from.Mode != quant.FP8 && from.Mode != quant.MXFP4
	case to.Mode == quant.Affine:
		return from.Mode != quant.Affine // the levels of fewer bits are among those of more
	}
	return true
}
