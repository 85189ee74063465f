package verify

import (
	"context"
	"fmt"
	"math"
	goruntime "runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"qimport/quant"
)

// TensorErr is what the format of one tensor cost, measured over all its elements: the decoded
// tensor against the decoded source.
type TensorErr struct {
	Name   string  `json:"name"`
	Source string  `json:"source"` // format in the source
	Format string  `json:"format"` // format in the model
	Bits   float64 `json:"bits"`   // stored bits per weight, scales included
	// Error is sum((ours-source)²) / sum(source²). SNR is the same in decibels; nil for no error.
	Error float64  `json:"relative_squared_error"`
	SNR   *float64 `json:"snr_db,omitempty"`
	Limit float64  `json:"limit"` // what Error was held to
}

// tensorPair is one tensor on both sides. shift is added to every value of the source: 1 where
// the model has the norm's +1 in it and the source has not.
type tensorPair struct {
	name         string
	ours, source quant.Tensor
	shift        float32
}

// tensorErrors measures every pair over all cores, worst (by Error over Limit) first.
func tensorErrors(ctx context.Context, pairs []tensorPair) ([]TensorErr, error) {
	errs := make([]TensorErr, len(pairs))
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

func worstFirst(a, b TensorErr) int {
	switch {
	case a.Error > b.Error:
		return -1
	case a.Error < b.Error:
		return 1
	}
	return strings.Compare(a.Name, b.Name)
}

// tensorError decodes both sides some rows at a time, so that memory stays the same however large
// the tensor is.
func tensorError(ctx context.Context, p tensorPair) (TensorErr, error) {
	limit, err := tensorLimit(p)
	if err != nil {
		return TensorErr{}, fmt.Errorf("tensor %s: %w", p.name, err)
	}
	diff, energy, err := squaredError(ctx, p)
	if err != nil {
		return TensorErr{}, fmt.Errorf("tensor %s: %w", p.name, err)
	}
	e := TensorErr{
		Name: p.name, Source: p.source.Format.String(), Format: p.ours.Format.String(),
		Bits: storedBits(p.ours), Error: relative(diff, energy), Limit: limit,
	}
	if e.Error > 0 {
		e.SNR = number(-10 * math.Log10(e.Error))
	}
	return e, nil
}

// rowsAtOnce bounds the scratch of one comparison to 2 x 256 KiB.
func rowsAtOnce(cols int) int { return max(1, 1<<16/max(cols, 1)) }

func squaredError(ctx context.Context, p tensorPair) (diff, energy float64, err error) {
	n, cols := quant.Elements(p.ours.Shape), quant.Columns(p.ours.Shape)
	if other := quant.Elements(p.source.Shape); other != n || quant.Columns(p.source.Shape) == 0 {
		return 0, 0, fmt.Errorf("its shape is %v, the source's is %v", p.ours.Shape, p.source.Shape)
	}
	if n == 0 {
		return 0, 0, nil
	}
	step := rowsAtOnce(cols) * cols
	ours, source := newRowReader(p.ours, step), newRowReader(p.source, step)
	for at := 0; at < n; at += step {
		if err := ctx.Err(); err != nil {
			return 0, 0, err
		}
		a, errA := ours.read(at, min(step, n-at))
		b, errB := source.read(at, min(step, n-at))
		if errA != nil {
			return 0, 0, errA
		}
		if errB != nil {
			return 0, 0, fmt.Errorf("in the source: %w", errB)
		}
		for i, v := range b {
			want := float64(v + p.shift)
			d := float64(a[i]) - want
			diff += d * d
			energy += want * want
		}
	}
	return diff, energy, nil
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

// rowReader reads any stretch of a tensor's elements in row-major order, whatever the length of
// its rows: conv1d's [C,1,K] and [C,K,1] hold the same elements in the same order.
type rowReader struct {
	tensor quant.Tensor
	cols   int
	buf    []float32
}

func newRowReader(t quant.Tensor, most int) *rowReader {
	cols := quant.Columns(t.Shape)
	return &rowReader{tensor: t, cols: cols, buf: make([]float32, (most/cols+2)*cols)}
}

// read decodes n elements from at on; the slice is good until the next read.
func (r *rowReader) read(at, n int) ([]float32, error) {
	first, end := at/r.cols, (at+n+r.cols-1)/r.cols
	rows := r.buf[:(end-first)*r.cols]
	if err := r.tensor.Decode(rows, first); err != nil {
		return nil, err
	}
	return rows[at-first*r.cols:][:n], nil
}

// storedBits is the size of a tensor by its parts, per element.
func storedBits(t quant.Tensor) float64 {
	bytes := len(t.Data) + len(t.Scales) + len(t.Biases) + 4*len(t.Global)
	return 8 * float64(bytes) / float64(max(1, quant.Elements(t.Shape)))
}

// tensorLimit is the error that the model's format may cost over the source's: none where both
// have the same format, or the model's holds every value of the source's.
func tensorLimit(p tensorPair) (float64, error) {
	if holds(p.ours.Format, p.source.Format) && p.shift == 0 {
		return 0, nil
	}
	b, err := boundsOf(p.ours.Format)
	if err != nil {
		return 0, err
	}
	return max(b.tensor, shiftError(p)), nil
}

// shiftError is what adding 1 to a norm in bf16 may cost: 2^-8 of a value near 1, squared.
func shiftError(p tensorPair) float64 {
	if p.shift == 0 {
		return 0
	}
	return math.Ldexp(1, -16)
}

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
