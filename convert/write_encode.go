package convert

import (
	"bytes"
	"fmt"
	"unsafe"

	"qimport/quant"
)

// encode makes the elements of a span, and its scales and biases in the tail.
func (tw *tensorWriter) encode(s span) (piece, error) {
	src := tw.pieces[s.piece]
	if s.from == 0 {
		if err := checkScales(src); err != nil {
			return piece{}, err
		}
	}
	data := rowsOf(src, s.from, s.to)
	p := piece{read: data, source: s.bytes}
	n := (s.to - s.from) * quant.Columns(src.Shape)
	err := checkElements(data, src.Format)
	if err == nil {
		err = tw.transform(&p, src, data, s, n)
	}
	if p.buffer != nil {
		tw.src.Release(p.read)
		p.read = nil
	}
	return p, err
}

// transform makes the bytes of a piece from the n elements of a span, which lie in data.
func (tw *tensorWriter) transform(p *piece, src quant.Tensor, data []byte, s span, n int) error {
	target := tw.plan.Target
	switch tw.plan.Transform {
	case Copy:
		p.bytes = data
	case Expand:
		p.bytes = data
		return expandScales(tw.output(nil, s, n).Scales, src, s)
	case Fold:
		p.bytes = data
		foldScales(tw.output(nil, s, n).Scales, src, s)
	case MoveColours:
		moveColours(tw.output(p, s, n).Weight, src)
	case Encode:
		return quant.Encode(target, tw.output(p, s, n), data, src.Format.Dtype)
	case Convert:
		if err := quant.Encode(target, tw.output(p, s, n), data, src.Format.Dtype); err != nil {
			return err
		}
		return checkRange(p.bytes, target.Dtype)
	case Decode:
		if err := tw.throughFloats(tw.output(p, s, n), src, s, n); err != nil {
			return err
		}
		return checkRange(p.bytes, target.Dtype)
	case Reencode:
		return tw.throughFloats(tw.output(p, s, n), src, s, n)
	}
	return nil
}

// rowsOf is the elements of rows [from, to) of a tensor.
func rowsOf(t quant.Tensor, from, to int) []byte {
	rows := quant.Elements(t.Shape) / max(quant.Columns(t.Shape), 1)
	if rows == 0 {
		return nil
	}
	size := len(t.Data) / rows
	return t.Data[from*size : to*size]
}

// output is where the n elements of a span go: a buffer for the elements, unless p is nil, and their
// place in the tail.
func (tw *tensorWriter) output(p *piece, s span, n int) quant.Packed {
	f, scale := tw.plan.Target, tw.plan.Scale
	weight, _, _ := f.PartSizes(n, scale)
	_, s0, b0 := f.PartSizes(s.first, scale)
	_, s1, b1 := f.PartSizes(s.first+n, scale)
	var out quant.Packed
	if p != nil {
		p.buffer = tw.buffer(weight)
		p.bytes = p.buffer[:weight]
		out.Weight = p.bytes
	}
	if f.IsQuantized() {
		out.Scales = tw.tail.Scales[s0:s1]
		out.Biases = tw.tail.Biases[b0:b1]
	}
	return out
}

// throughFloats decodes the rows of a span and encodes them again.
func (tw *tensorWriter) throughFloats(out quant.Packed, src quant.Tensor, s span, n int) error {
	buffer := tw.buffer(4 * n)
	defer tw.giveBack(buffer)
	values := unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(buffer))), n)
	if err := src.Decode(values, s.from); err != nil {
		return err
	}
	if bad, err := quant.NonFinite(buffer[:4*n], quant.F32); bad > 0 || err != nil {
		return fmt.Errorf("%w: %d of its values are not finite", ErrSource, bad)
	}
	return quant.EncodeFloat32(tw.plan.Target, out, values, tw.plan.Scale)
}

// checkElements refuses floats that are no numbers: a group that holds one would lose all its
// values, and a model with one answers nothing but noise.
func checkElements(data []byte, f quant.Format) error {
	if f.Mode != quant.Plain || !f.Dtype.IsFloat() {
		return nil
	}
	bad, err := quant.NonFinite(data, f.Dtype)
	if err != nil {
		return err
	}
	if bad > 0 {
		return fmt.Errorf("%w: %d of %d weights looked at are NaN or infinite; the file is damaged, fetch it again", ErrSource, bad, len(data)/f.Dtype.Size())
	}
	return nil
}

// checkRange refuses values that the target's dtype rounds to infinity.
func checkRange(out []byte, d quant.Dtype) error {
	if bad, err := quant.NonFinite(out, d); bad > 0 || err != nil {
		return fmt.Errorf("%w: %d of its values are too large for %s; choose bf16 or f32", ErrSource, bad, d)
	}
	return nil
}

// checkScales refuses scales that are no numbers.
func checkScales(t quant.Tensor) error {
	bad := 0
	switch t.Format.Mode {
	case quant.NVFP4:
		bad = bytes.Count(t.Scales, []byte{0x7f}) + bytes.Count(t.Scales, []byte{0xff})
	case quant.MXFP4, quant.MXFP8:
		bad = bytes.Count(t.Scales, []byte{0xff})
	case quant.Affine, quant.FP8:
		for _, part := range [][]byte{t.Scales, t.Biases} {
			n, err := quant.NonFinite(part, t.ScaleDtype)
			if err != nil {
				return err
			}
			bad += n
		}
	}
	if bad > 0 {
		return fmt.Errorf("%w: %d of its scales are NaN or infinite; the file is damaged, fetch it again", ErrSource, bad)
	}
	return nil
}
