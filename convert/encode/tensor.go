package encode

import (
	"context"
	"encoding/binary"
	"math"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"qimport/convert/plan"
	"qimport/quant"
)

// tensorWriter writes the arrays of one tensor in the order of plan.Tensor.Arrays: the elements first.
// Scales and biases come with each chunk of them and are written ahead, to their places.
type tensorWriter struct {
	*Engine
	plan     plan.Tensor
	label    string // of the blob, for progress
	out      Sink
	pieces   []quant.Tensor // of the source
	places   Places
	global   float32 // the nvfp4 scale of the whole tensor; 0 for none
	seen     seen
	feedback feedbacks
}

// Tensor writes one tensor. blob names what it is part of, for the meter.
func (e *Engine) Tensor(ctx context.Context, blob string, t plan.Tensor, places Places, out Sink) error {
	tw := &tensorWriter{Engine: e, plan: t, label: blob, out: out, places: places}
	for i := range t.From.Pieces {
		piece, err := e.src.LoadPiece(t.From, i)
		if err != nil {
			return err
		}
		tw.pieces = append(tw.pieces, piece)
	}
	tw.seen.nonzero = make([]atomic.Bool, len(tw.pieces))
	var err error
	if tw.global, err = tw.globalScale(ctx); err != nil {
		return err
	}
	if err := tw.elements(ctx); err != nil {
		return err
	}
	tw.keepSeen()
	return tw.rest()
}

// chunk is a part of a tensor, ready to be written.
type chunk struct {
	bytes  []byte       // elements
	parts  quant.Packed // scales and biases, where they are made and not copied
	first  int          // element of the whole tensor at which it begins
	buffer []byte       // that all of them lie in, to be used again
	read   []byte       // the buffer that the elements lie in, where they are those of the source
	source int64        // bytes of the source that it stands for
}

// elements writes the elements: chunks are made by several goroutines and written in order.
func (tw *tensorWriter) elements(ctx context.Context) error {
	spans := tw.size.cut(tw.plan, tw.pieces)
	if len(spans) == 1 {
		return tw.alone(ctx, spans[0])
	}
	g, ctx := errgroup.WithContext(ctx)
	queue := make(chan chan chunk, tw.size.ahead)
	g.Go(func() error {
		defer close(queue)
		for _, s := range spans {
			result := make(chan chunk, 1)
			select {
			case queue <- result:
			case <-ctx.Done():
				return ctx.Err()
			}
			g.Go(func() error { return tw.makeChunk(ctx, s, result) })
		}
		return nil
	})
	g.Go(func() error {
		for result := range queue {
			if err := tw.takeChunk(ctx, result); err != nil {
				return err
			}
		}
		return nil
	})
	return g.Wait()
}

// alone makes and writes a tensor of one chunk without further goroutines.
func (tw *tensorWriter) alone(ctx context.Context, s span) error {
	result := make(chan chunk, 1)
	if err := tw.makeChunk(ctx, s, result); err != nil {
		return err
	}
	return tw.takeChunk(ctx, result)
}

func (tw *tensorWriter) makeChunk(ctx context.Context, s span, result chan<- chunk) error {
	if err := tw.acquire(ctx); err != nil {
		return err
	}
	defer tw.release()
	c, err := tw.encode(s)
	if err == nil {
		result <- c
	}
	return err
}

// takeChunk waits for the next chunk and writes it.
func (tw *tensorWriter) takeChunk(ctx context.Context, result <-chan chunk) error {
	var c chunk
	select {
	case c = <-result:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := tw.acquire(ctx); err != nil {
		return err
	}
	defer tw.release()
	if _, err := tw.out.Write(c.bytes); err != nil {
		return err
	}
	if err := tw.writeParts(c); err != nil {
		return err
	}
	tw.giveBack(c.read)
	tw.giveBack(c.buffer)
	tw.meter.Advance(tw.label, c.source, false)
	return nil
}

// writeParts writes the scales and biases of a chunk to their places further on.
func (tw *tensorWriter) writeParts(c chunk) error {
	_, scales, biases := tw.plan.Target.PartSizes(c.first, tw.plan.Scale)
	if len(c.parts.Scales) > 0 {
		if err := tw.out.WriteAhead(c.parts.Scales, tw.places[plan.ScaleArray].At+int64(scales)); err != nil {
			return err
		}
	}
	if len(c.parts.Biases) > 0 {
		return tw.out.WriteAhead(c.parts.Biases, tw.places[plan.BiasArray].At+int64(biases))
	}
	return nil
}

// rest writes what follows the elements: biases, the global scale, scales.
func (tw *tensorWriter) rest() error {
	for _, a := range tw.plan.Arrays() {
		var err error
		switch a.Kind {
		case plan.BiasArray:
			err = tw.part(a.Kind, func(t quant.Tensor) []byte { return t.Biases })
		case plan.ScaleArray:
			err = tw.part(a.Kind, func(t quant.Tensor) []byte { return t.Scales })
		case plan.GlobalArray:
			_, err = tw.out.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(tw.global)))
		}
		if err != nil {
			return err
		}
	}
	for _, p := range tw.pieces {
		tw.src.Release(p.Scales)
		tw.src.Release(p.Biases)
		tw.src.Release(p.Zeros)
		if p.Format.IsColumns() {
			tw.src.Release(p.Data)
		}
	}
	return nil
}

// part takes in the scales or biases that were written ahead, or copies the source's.
func (tw *tensorWriter) part(kind plan.ArrayKind, of func(quant.Tensor) []byte) error {
	if tw.plan.Transform != plan.Copy {
		return tw.out.Advance(tw.places[kind].Bytes)
	}
	for _, p := range tw.pieces {
		if err := tw.copyOut(of(p)); err != nil {
			return err
		}
	}
	return nil
}

// copyOut writes bytes of the source, a buffer at a time.
func (tw *tensorWriter) copyOut(lent []byte) error {
	buffer := tw.buffer(4 * tw.size.elements)
	defer tw.giveBack(buffer)
	for len(lent) > 0 {
		var n int
		if err := tw.src.Guard(func() error { n = copy(buffer, lent); return nil }); err != nil {
			return err
		}
		if _, err := tw.out.Write(buffer[:n]); err != nil {
			return err
		}
		tw.src.Release(lent[:n])
		lent = lent[n:]
	}
	return nil
}
