package encode

import (
	"context"
	"math"
	"sync"

	"golang.org/x/sync/errgroup"

	"qimport/quant"
)

// globalScale is the scale that is written for the whole tensor beside its nvfp4 blocks: the source's,
// or one made for it; 0 for none.
func (tw *tensorWriter) globalScale(ctx context.Context) (float32, error) {
	switch {
	case !tw.plan.Global:
		return 0, nil
	case !tw.plan.MakesGlobal():
		return tw.pieces[0].Global[0], nil
	}
	largest, err := tw.largest(ctx)
	return roundUp(quant.GlobalScale(largest)), err
}

// roundUp is the power of two that is g or the next one above it. As a global scale it moves all block
// scales away from the coarse end of e4m3, where small weights are lost, and rounds nothing itself.
func roundUp(g float32) float32 {
	fraction, exponent := math.Frexp(float64(g))
	if fraction == 0.5 {
		return g
	}
	return float32(math.Ldexp(1, exponent))
}

// largest is the largest magnitude of the tensor, which has to be known before the first group is
// encoded.
func (tw *tensorWriter) largest(ctx context.Context) (float32, error) {
	var mu sync.Mutex
	var largest float32
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(tw.jobs)
	for _, s := range tw.size.cut(tw.plan, tw.pieces) {
		g.Go(func() error {
			if err := tw.acquire(ctx); err != nil {
				return err
			}
			defer tw.release()
			of, err := tw.largestOf(s)
			mu.Lock()
			defer mu.Unlock()
			largest = max(largest, of)
			return err
		})
	}
	err := g.Wait()
	return largest, err
}

// largestOf is the largest magnitude of a span. What is no number is left to checkSpan.
func (tw *tensorWriter) largestOf(s span) (largest float32, err error) {
	src, data, err := tw.take(s)
	defer tw.giveBack(data)
	if err != nil {
		return 0, err
	}
	n := quant.Elements(src.Shape)
	buffer := tw.buffer(4 * n)
	defer tw.giveBack(buffer)
	values := float32s(buffer[:4*n])
	if err := src.Decode(values, 0); err != nil {
		return 0, err
	}
	for _, v := range values {
		if v < 0 {
			v = -v
		}
		if v > largest {
			largest = v
		}
	}
	return largest, nil
}
