package registry

import (
	"cmp"
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"qimport/internal/transfer"
	"qimport/manifest"
)

// each calls do with every blob, the largest first and several at a time, and a meter of all of them. An
// error ends the others.
func (c *Client) each(ctx context.Context, blobs []manifest.Layer, tell func(done, total int64), do func(context.Context, manifest.Layer, *transfer.Meter) error) error {
	blobs = slices.SortedStableFunc(slices.Values(blobs), func(a, b manifest.Layer) int { return cmp.Compare(b.Size, a.Size) })
	meter := transfer.NewMeter(tell)
	for _, l := range blobs {
		meter.Expect(l.Size)
	}
	workers, inner := errgroup.WithContext(ctx)
	workers.SetLimit(c.jobs)
	for _, l := range blobs {
		workers.Go(func() error {
			if inner.Err() != nil {
				return inner.Err()
			}
			return do(inner, l, meter)
		})
	}
	return workers.Wait()
}
