package source

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"qimport/quant"
)

// Load lends a tensor whole. A stack whose experts lie one by one is copied together, one that lies input
// by input is turned, and integers become the affine tensor of the same numbers, or bf16 where there is none:
// each takes as much memory as the tensor is large, and LoadPiece lends pieces as they are. One that adapters
// change comes as float32, in memory of its own.
func (s *Source) Load(name string) (quant.Tensor, error) {
	t, ok := s.inv.Tensor(name)
	if !ok {
		return quant.Tensor{}, fmt.Errorf("%s has no tensor %s: %w", s.inv.Origin, name, ErrSource)
	}
	if t.Fused() {
		return s.loadFused(t)
	}
	if !t.Stacked {
		return s.loadReady(t, 0)
	}
	whole := quant.Tensor{Shape: t.Shape}
	for e := range t.Pieces {
		one, err := s.loadReady(t, e)
		if err != nil {
			return quant.Tensor{}, err
		}
		if e == 0 { // all are alike
			whole.Format, whole.ScaleDtype = one.Format, one.ScaleDtype
			whole.Data = make([]byte, 0, len(one.Data)*len(t.Pieces))
			whole.Scales = make([]byte, 0, len(one.Scales)*len(t.Pieces))
			whole.Biases = make([]byte, 0, len(one.Biases)*len(t.Pieces))
		}
		err = s.Guard(func() error {
			whole.Data = append(whole.Data, one.Data...)
			whole.Scales = append(whole.Scales, one.Scales...)
			whole.Biases = append(whole.Biases, one.Biases...)
			return nil
		})
		if err != nil {
			return quant.Tensor{}, err
		}
		whole.Global = append(whole.Global, one.Global...)
		s.releaseAll(one)
	}
	return whole, nil
}

// releaseAll lets go of what is mapped of a tensor.
func (s *Source) releaseAll(q quant.Tensor) {
	for _, b := range [][]byte{q.Data, q.Scales, q.Biases, q.Zeros} {
		s.Release(b)
	}
}

// needsMaking says whether the tensor's arrays are none that MLX or quant.Tensor's kernels take as they lie.
func (t Tensor) needsMaking() bool {
	return t.Format.Mode == quant.Int || t.Format.IsColumns() || t.ScalesInputs() || t.Turned && t.Format.Mode == quant.FP8
}

// loadReady is piece i as whoever computes with it takes it.
func (s *Source) loadReady(t Tensor, i int) (quant.Tensor, error) {
	lent, err := s.LoadPiece(t, i)
	if err != nil || !t.needsMaking() && !t.Turned {
		return lent, err
	}
	rows := quant.Elements(lent.Shape) / max(quant.Columns(lent.Shape), 1)
	own, buffer := lent, make([]byte, lent.RowsSize(rows))
	err = s.Guard(func() error {
		if err := lent.CheckCodes(0, rows); err != nil {
			return fmt.Errorf("%w: tensor %s: %w", ErrSource, t.Name, err)
		}
		own = lent.CopyRows(buffer, 0, rows)
		return nil
	})
	s.Release(lent.Data)
	if t.Turned {
		own.Shape = lent.Shape
		return own, err
	}
	if err != nil || (own.Format.Mode == quant.Affine || t.Format.IsColumns()) && !t.ScalesInputs() {
		return own, err
	}
	return decoded(own)
}

// decoded is a tensor in bf16, as an import stores what it has to decode.
func decoded(t quant.Tensor) (quant.Tensor, error) {
	values := make([]float32, quant.Elements(t.Shape))
	if err := t.Decode(values, 0); err != nil {
		return quant.Tensor{}, err
	}
	out := quant.Tensor{Shape: t.Shape, Format: quant.FormatBF16, Data: make([]byte, 2*len(values))}
	return out, quant.FromFloat32(out.Data, quant.BF16, values)
}

// small is up to how many bytes an array is copied rather than lent: a norm's, or what scales a whole
// tensor.
const small = 32 << 10

// LoadPiece lends piece i of a tensor of this source's inventory: the tensor itself or, of a
// Stacked one, expert i with shape t.Shape[1:], without what adapters change, which is for Fuse. Small
// arrays are copies. A global scale comes as the factor that quant.Tensor takes, whatever the source's
// convention. A global scale that is no positive number, an input scale that is none at all and a
// weight_shape that is another one are ErrSource.
func (s *Source) LoadPiece(t Tensor, i int) (quant.Tensor, error) {
	q, err := s.lend(t, i)
	for _, part := range []*[]byte{&q.Data, &q.Scales, &q.Biases, &q.Zeros} {
		if err != nil || len(*part) == 0 || len(*part) > small {
			continue
		}
		lent := *part
		err = s.Guard(func() error { *part = bytes.Clone(lent); return nil })
		s.Release(lent) // one read maps a megabyte around it
	}
	return q, err
}

// Pieces lends a tensor as whoever computes with it takes it: whole or, of a stack whose experts lie
// one by one, each of them, with the first dimension 1. What lies in the file as MLX has it, or, plain,
// input by input, is not copied, and nothing of it read but global scales; anything else is made as Load makes it.
func (s *Source) Pieces(name string) ([]quant.Tensor, error) {
	t, ok := s.inv.Tensor(name)
	if !ok {
		return nil, fmt.Errorf("%s has no tensor %s: %w", s.inv.Origin, name, ErrSource)
	}
	if t.Fused() {
		whole, err := s.loadFused(t)
		return []quant.Tensor{whole}, err
	}
	pieces := make([]quant.Tensor, len(t.Pieces))
	for i := range pieces {
		load := s.lend
		if t.needsMaking() {
			load = s.loadReady
		}
		var err error
		if pieces[i], err = load(t, i); err != nil {
			return nil, err
		}
		if t.Stacked {
			pieces[i].Shape = append([]int{1}, pieces[i].Shape...)
		}
	}
	return pieces, nil
}

// lend is piece i of a tensor, all of its arrays where they are mapped.
func (s *Source) lend(t Tensor, i int) (quant.Tensor, error) {
	q := quant.Tensor{Shape: t.Shape, Format: t.Format, ScaleDtype: t.ScaleDtype}
	if t.Stacked {
		q.Shape = t.Shape[1:]
	}
	if t.Turned {
		q.Stride = t.Shape[1]
	}
	p := t.Pieces[i]
	var global, inputs, dims []byte
	for _, part := range []struct {
		from Part
		to   *[]byte
	}{
		{p.Weight, &q.Data}, {p.Scales, &q.Scales}, {p.Biases, &q.Biases}, {p.Zeros, &q.Zeros}, {p.Order, &q.Order},
		{p.Global, &global}, {p.Inputs, &inputs}, {p.Dims, &dims},
	} {
		if !part.from.Exists() {
			continue
		}
		b, err := s.shards[part.from.Shard].Bytes(part.from.Name)
		if err == nil && part.to == &q.Order { // what is checked must not change
			lent := b
			err = s.Guard(func() error { b = bytes.Clone(lent); return nil })
		}
		if err != nil {
			return quant.Tensor{}, fmt.Errorf("%w: tensor %s: %w", ErrSource, t.Name, err)
		}
		*part.to = b
	}
	err := s.Guard(func() (err error) {
		q.Scales = repeated(q.Scales, t.Shared)
		q.Global, err = readGlobal(t.Global, global)
		return err
	})
	if err != nil {
		return quant.Tensor{}, s.refusedPart(p.Global, err)
	}
	if q.Inputs, err = s.readInputs(p.Inputs, inputs); err != nil {
		return quant.Tensor{}, s.refusedPart(p.Inputs, err)
	}
	if err := checkOrder(q); err != nil {
		return quant.Tensor{}, s.refusedPart(p.Order, err)
	}
	if err := s.Guard(func() error { return checkDims(dims, q.Shape) }); err != nil {
		return quant.Tensor{}, s.refusedPart(p.Dims, err)
	}
	return q, nil
}

// repeated is scales of one byte, a copy for each group that shares one.
func repeated(scales []byte, shared int) []byte {
	if shared < 2 {
		return scales
	}
	all := make([]byte, 0, shared*len(scales))
	for _, x := range scales {
		for range shared {
			all = append(all, x)
		}
	}
	return all
}

func (s *Source) refusedPart(p Part, err error) error {
	return fmt.Errorf("%w: %s: tensor %s: %w", ErrSource, s.inv.Shards[p.Shard].Name, p.Name, err)
}

// readInputs reads what a layer's input is multiplied by. Numbers that are none would spoil the layer.
func (s *Source) readInputs(p Part, lent []byte) ([]float32, error) {
	if !p.Exists() {
		return nil, nil
	}
	var own []byte
	if err := s.Guard(func() error { own = bytes.Clone(lent); return nil }); err != nil {
		return nil, err
	}
	inputs := make([]float32, quant.Elements(p.Shape))
	if err := quant.ToFloat32(inputs, own, p.Dtype); err != nil {
		return nil, err
	}
	for c, x := range inputs {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return nil, fmt.Errorf("the scale of column %d is %g", c, x)
		}
	}
	return inputs, nil
}

// checkDims holds the shape that a file says, if it says one, to the one that its arrays have.
func checkDims(b []byte, shape []int) error {
	if b == nil {
		return nil
	}
	var said []int
	for ; len(b) >= 8; b = b[8:] {
		said = append(said, int(binary.LittleEndian.Uint64(b)))
	}
	if !slices.Equal(said, shape) {
		return fmt.Errorf("it says %v, but the arrays are those of a tensor %v", said, shape)
	}
	return nil
}
