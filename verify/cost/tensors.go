package cost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	goruntime "runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"qimport/convert/source"
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

// Tensors measures every tensor of a model against its source's, worst first.
func Tensors(ctx context.Context, ours, reference *source.Source) ([]report.Tensor, error) {
	matched, alone := pairs(ours, reference)
	switch {
	case len(alone) > 0:
		return nil, fmt.Errorf("the source lacks %d of the model's tensors, the first %s", len(alone), alone[0])
	case len(matched) == 0:
		return nil, errors.New("the model has no tensor to compare")
	}
	return measure(ctx, matched)
}

// measure takes the pairs over all cores, and puts the worst first.
func measure(ctx context.Context, pairs []tensorPair) ([]report.Tensor, error) {
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
	allowed, err := tensorLimit(p)
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
		Error: relative(diff, energy), Limit: allowed,
		Quantized: loses(p.source.format, p.ours.format), Zero: energy == 0,
	}
	if e.Error > 0 {
		snr := -10 * math.Log10(e.Error)
		e.SNR = &snr
	}
	return e, nil
}

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

// tensorLimit is the error that the model's format may cost over the source's: none where both
// have the same format, or the model's holds every value of the source's. A format is not the same
// without the global scale that the source has.
func tensorLimit(p tensorPair) (float64, error) {
	if p.ourShift != p.sourceShift {
		return addedOneError, nil
	}
	if holds(p.ours.format, p.source.format) && !(p.source.global && !p.ours.global) {
		return 0, nil
	}
	b, err := BoundsOf(p.ours.format)
	return b.Tensor, err
}

// addedOneError is what adding 1 to a gain in bf16 may cost: 2^-8 of a value near 1, squared.
const addedOneError = 1.0 / (1 << 16)
