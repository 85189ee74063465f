package convert

import (
	"context"
	"encoding/binary"
	"io"
	"math"

	"golang.org/x/sync/errgroup"

	"qimport/quant"
)

// tensorWriter writes the arrays of one tensor, in the order of their names: elements first, while
// scales and biases gather in memory (an eighth of the elements at most), then those.
type tensorWriter struct {
	*writer
	plan   TensorPlan
	blob   string
	pieces []quant.Tensor // of the source
	tail   quant.Packed   // scales and biases as they come; empty if they are copied
}

// tensor writes one tensor to its blob.
func (w *writer) tensor(ctx context.Context, blob string, t TensorPlan, out io.Writer) error {
	tw := &tensorWriter{writer: w, plan: t, blob: blob}
	for i := range t.From.Pieces {
		piece, err := w.src.LoadPiece(t.From, i)
		if err != nil {
			return err
		}
		tw.pieces = append(tw.pieces, piece)
	}
	if t.Transform != Copy {
		layout, err := t.Target.Layout(t.Shape, t.Scale)
		if err != nil {
			return err
		}
		tw.tail.Scales = make([]byte, layout.Scales.Bytes())
		tw.tail.Biases = make([]byte, layout.Biases.Bytes())
	}
	if err := tw.elements(ctx, out); err != nil {
		return err
	}
	return tw.rest(out)
}

// piece is a part of the elements, ready to be written.
type piece struct {
	bytes  []byte
	buffer []byte // that bytes lie in, to be used again; nil if they are the source's
	read   []byte // of the source, to be released
	source int64  // bytes of the source that it stands for
}

// elements writes the elements: pieces are made by several goroutines and written in order.
func (tw *tensorWriter) elements(ctx context.Context, out io.Writer) error {
	spans := tw.size.cut(tw.plan, tw.pieces)
	if len(spans) == 1 {
		return tw.alone(ctx, spans[0], out)
	}
	g, ctx := errgroup.WithContext(ctx)
	queue := make(chan chan piece, tw.size.ahead)
	g.Go(func() error {
		defer close(queue)
		for _, s := range spans {
			result := make(chan piece, 1)
			select {
			case queue <- result:
			case <-ctx.Done():
				return ctx.Err()
			}
			g.Go(func() error { return tw.makePiece(ctx, s, result) })
		}
		return nil
	})
	g.Go(func() error {
		for result := range queue {
			if err := tw.takePiece(ctx, result, out); err != nil {
				return err
			}
		}
		return nil
	})
	return g.Wait()
}

// alone makes and writes a tensor of one piece without further goroutines.
func (tw *tensorWriter) alone(ctx context.Context, s span, out io.Writer) error {
	result := make(chan piece, 1)
	if err := tw.makePiece(ctx, s, result); err != nil {
		return err
	}
	return tw.takePiece(ctx, result, out)
}

func (tw *tensorWriter) makePiece(ctx context.Context, s span, result chan<- piece) error {
	if err := tw.acquire(ctx); err != nil {
		return err
	}
	defer tw.release()
	p, err := tw.encode(s)
	if err == nil {
		result <- p
	}
	return err
}

// takePiece waits for the next piece and writes it.
func (tw *tensorWriter) takePiece(ctx context.Context, result <-chan piece, out io.Writer) error {
	var p piece
	select {
	case p = <-result:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := tw.acquire(ctx); err != nil {
		return err
	}
	defer tw.release()
	if _, err := out.Write(p.bytes); err != nil {
		return err
	}
	tw.src.Release(p.read)
	tw.giveBack(p.buffer)
	tw.advance(tw.blob, p.source, false)
	return nil
}

// rest writes what follows the elements: biases, the second scale, scales.
func (tw *tensorWriter) rest(out io.Writer) error {
	for _, a := range tw.plan.arrays() {
		var err error
		switch a.kind {
		case biasArray:
			err = tw.part(out, tw.tail.Biases, func(t quant.Tensor) []byte { return t.Biases })
		case scaleArray:
			err = tw.part(out, tw.tail.Scales, func(t quant.Tensor) []byte { return t.Scales })
		case globalArray:
			bits := math.Float32bits(tw.pieces[0].Global[0])
			_, err = out.Write(binary.LittleEndian.AppendUint32(nil, bits))
		}
		if err != nil {
			return err
		}
	}
	for _, p := range tw.pieces {
		tw.src.Release(p.Scales)
		tw.src.Release(p.Biases)
	}
	return nil
}

// part writes scales or biases: those that were made, or the source's.
func (tw *tensorWriter) part(out io.Writer, made []byte, of func(quant.Tensor) []byte) error {
	if tw.plan.Transform != Copy {
		_, err := out.Write(made)
		return err
	}
	for _, p := range tw.pieces {
		if _, err := out.Write(of(p)); err != nil {
			return err
		}
	}
	return nil
}

// acquire waits for a core to work on.
func (w *writer) acquire(ctx context.Context) error {
	select {
	case w.cores <- struct{}{}:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *writer) release() { <-w.cores }
