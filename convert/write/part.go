package write

import (
	"cmp"
	"context"
	"slices"

	"qimport/convert/plan"
	"qimport/manifest"
)

// Share is what the part of that number, counted from 1, writes of a plan in as many parts: blobs that take
// about as long to read and to write as any other part's. Every machine shares out alike.
func Share(p plan.Plan, number, parts int) plan.Plan {
	order, work := make([]int, len(p.Blobs)), make([]int64, len(p.Blobs))
	for i, b := range p.Blobs {
		order[i], work[i] = i, b.Bytes
		for _, t := range b.Tensors {
			work[i] += t.From.Bytes()
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(work[b], work[a]) })
	loads, mine := make([]int64, parts), make([]bool, len(p.Blobs))
	for _, i := range order { // the largest first, each to the part that has least
		least := slices.Index(loads, slices.Min(loads))
		loads[least] += work[i]
		mine[i] = least == number-1
	}
	share := p
	share.Blobs, share.Files = nil, nil
	for i, b := range p.Blobs {
		if mine[i] {
			share.Blobs = append(share.Blobs, b)
		}
	}
	return share
}

// Part writes the blobs of a share into a stage of its own, as Blobs does. They make no manifest: whoever
// has those of all parts calls Blobs.
func Part(ctx context.Context, share plan.Plan, src Weights, stage *manifest.Stage, opts Options) (Stats, error) {
	keys, err := blobKeys(share)
	if err != nil {
		return Stats{}, err
	}
	w := newWriter(share, src, stage, opts)
	if _, err := w.blobs(ctx, share, keys); err != nil {
		return w.stats, err
	}
	w.meter.Flushing()
	if err := stage.Flush(ctx); err != nil {
		return w.stats, err
	}
	return w.done(share), src.Unchanged()
}
