package write

import (
	"context"
	"errors"
	"fmt"

	"qimport/convert/encode"
	"qimport/convert/plan"
	"qimport/convert/safetensors"
	"qimport/manifest"
)

// blob writes one blob, unless it is there already.
func (w *writer) blob(ctx context.Context, b plan.Blob, key blobKey) (manifest.Layer, error) {
	if l, ok := w.present(ctx, b, key); ok {
		w.count(l, true)
		w.passOver(b)
		w.addTensors(len(b.Tensors))
		return l, nil
	}
	out, err := w.stage.NewBlob(b.Name)
	if err != nil {
		return manifest.Layer{}, err
	}
	l, err := w.fill(ctx, b, out)
	if err != nil {
		return l, errors.Join(err, out.Abort())
	}
	w.count(l, out.Reused())
	w.addTensors(len(b.Tensors))
	return l, nil
}

// passOver tells the meter that a blob need not be made.
func (w *writer) passOver(b plan.Blob) {
	for _, t := range b.Tensors {
		w.meter.Advance(b.Name, t.From.Bytes(), true)
	}
}

// present finds the blob in the stage, where an earlier run left it, or by the index in the store.
// The index only says which digest to look for; that the blob holds what it should is for the store
// to be sure of.
func (w *writer) present(ctx context.Context, b plan.Blob, key blobKey) (manifest.Layer, bool) {
	if l, ok := w.stage.Done(b.Name); ok {
		return l, true
	}
	l, ok := w.index.layer(b, key)
	return l, ok && w.stage.Reuse(ctx, b.Name, l)
}

// layer is the layer of a blob that an earlier import made, if the index knows one.
func (x *Index) layer(b plan.Blob, key blobKey) (manifest.Layer, bool) {
	if x == nil {
		return manifest.Layer{}, false
	}
	found, ok := x.Find(key)
	l := manifest.Layer{MediaType: manifest.MediaTypeTensor, Digest: found.Digest, Size: found.Size, Name: b.Name}
	return l, ok && found.Size == b.Bytes
}

// fill writes header and data of a blob.
func (w *writer) fill(ctx context.Context, b plan.Blob, out *manifest.BlobWriter) (manifest.Layer, error) {
	h, err := b.Header()
	if err != nil {
		return manifest.Layer{}, err
	}
	if _, err := out.Write(h.Append(nil)); err != nil {
		return manifest.Layer{}, err
	}
	for _, t := range b.Tensors {
		if err := w.engine.Tensor(ctx, b.Name, t, placesOf(t, h), out); err != nil {
			return manifest.Layer{}, fmt.Errorf("tensor %s: %w", t.Name, err)
		}
	}
	l, err := out.Finish(manifest.MediaTypeTensor, b.Name)
	if err == nil && l.Size != b.Bytes {
		err = fmt.Errorf("blob %s has %d bytes where the plan says %d", b.Name, l.Size, b.Bytes)
	}
	return l, err
}

// placesOf finds the arrays of a tensor in the header of its blob.
func placesOf(t plan.Tensor, h safetensors.Header) encode.Places {
	places := encode.Places{}
	for _, a := range t.Arrays() {
		for _, e := range h.Tensors {
			if e.Name == a.Name {
				places[a.Kind] = encode.Place{At: h.DataStart + e.Begin, Bytes: e.End - e.Begin}
			}
		}
	}
	return places
}

func (w *writer) addTensors(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stats.Tensors += n
}

// Blob writes one blob of a plan by itself, whatever there is already: the encoding of Blobs, for who
// knows which digest is to come of it. It ends out.
func Blob(ctx context.Context, b plan.Blob, src Weights, out *manifest.BlobWriter, jobs int) (manifest.Layer, error) {
	w := &writer{src: src, engine: encode.NewEngine(src, jobs, encode.NewMeter(b.Bytes, nil))}
	l, err := w.fill(ctx, b, out)
	if err != nil {
		err = errors.Join(err, out.Abort())
	}
	return l, err
}
