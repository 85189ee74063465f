package encode

import (
	"fmt"
	"unsafe"

	"qimport/convert/plan"
	"qimport/convert/source"
	"qimport/quant"
)

// take copies a span of the source, with the scales that it needs: only Go code reads the mapped
// file, which may be cut short at any moment, and kernels, hashes and the disk see memory that stays.
// The buffer goes back when nothing of the copy is needed any more.
func (tw *tensorWriter) take(s span) (own quant.Tensor, buffer []byte, err error) {
	src := tw.pieces[s.piece]
	size := src.RowsSize(s.to - s.from)
	buffer = tw.buffer(size)
	err = tw.src.Guard(func() error {
		own = src.CopyRows(buffer[:size], s.from, s.to)
		return nil
	})
	if len(own.Data) == len(src.Data) && src.Format.Mode == quant.Plain {
		own.Shape = src.Shape // all of it, with all its axes
	}
	tw.src.Release(rowsOf(src, s.from, s.to))
	return own, buffer, err
}

// encode makes the piece of a span.
func (tw *tensorWriter) encode(s span) (piece, error) {
	p := piece{first: s.first, source: s.bytes}
	src, buffer, err := tw.take(s)
	if err == nil {
		err = checkSpan(src, s)
	}
	if err == nil {
		err = tw.transform(&p, src)
	}
	if copied := tw.plan.Transform == plan.Copy || tw.plan.Transform == plan.Expand || tw.plan.Transform == plan.Fold; copied {
		p.read = buffer
	} else {
		tw.giveBack(buffer)
	}
	return p, err
}

// transform makes the bytes of a piece from a span of the source.
func (tw *tensorWriter) transform(p *piece, src quant.Tensor) error {
	target, data, n := tw.plan.Target, src.Data, quant.Elements(src.Shape)
	switch tw.plan.Transform {
	case plan.Copy:
		p.bytes = data
	case plan.Expand:
		p.bytes = data
		return src.ExpandScales(tw.output(p, n).Scales, 0)
	case plan.Fold:
		p.bytes = data
		return src.FoldScales(tw.output(p, n).Scales, 0)
	case plan.MoveColours:
		moveColours(tw.output(p, n).Weight, src)
	case plan.ColoursLast:
		coloursLast(tw.output(p, n).Weight, src)
	case plan.AddOne:
		return addOne(tw.output(p, n).Weight, data, src.Format.Dtype)
	case plan.Encode:
		if tw.plan.Search {
			return tw.search(tw.output(p, n), data, src.Format.Dtype)
		}
		return quant.Encode(target, tw.output(p, n), data, src.Format.Dtype)
	case plan.Convert:
		if err := quant.Encode(target, tw.output(p, n), data, src.Format.Dtype); err != nil {
			return err
		}
		return checkRange(p.bytes, target.Dtype)
	case plan.Decode:
		if err := tw.throughFloats(tw.output(p, n), src, n); err != nil {
			return err
		}
		return checkRange(p.bytes, target.Dtype)
	case plan.Reencode:
		return tw.throughFloats(tw.output(p, n), src, n)
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

// output is where the n elements of a piece go, with their scales and biases: a buffer. Where the
// elements are those of the source, ready, the buffer holds the rest only.
func (tw *tensorWriter) output(p *piece, n int) quant.Packed {
	weight, scales, biases := tw.plan.Target.PartSizes(n, tw.plan.Scale)
	if p.bytes != nil {
		weight = 0
	}
	p.buffer = tw.buffer(weight + scales + biases)
	out := quant.Packed{
		Weight: p.buffer[:weight],
		Scales: p.buffer[weight : weight+scales],
		Biases: p.buffer[weight+scales : weight+scales+biases],
	}
	if p.bytes == nil {
		p.bytes = out.Weight
	}
	p.parts = quant.Packed{Scales: out.Scales, Biases: out.Biases}
	return out
}

// throughFloats decodes the n elements of a span and encodes them again.
func (tw *tensorWriter) throughFloats(out quant.Packed, src quant.Tensor, n int) error {
	buffer := tw.buffer(4 * n)
	defer tw.giveBack(buffer)
	values := float32s(buffer[:4*n])
	if err := src.Decode(values, 0); err != nil {
		return err
	}
	if bad, err := quant.NonFinite(buffer[:4*n], quant.F32); bad > 0 || err != nil {
		return fmt.Errorf("%w: %d of its values are not finite", source.ErrSource, bad)
	}
	if tw.plan.Search {
		return tw.search(out, buffer[:4*n], quant.F32)
	}
	return quant.EncodeFloat32(tw.plan.Target, out, values, tw.plan.Scale)
}

// float32s is a buffer, seen as numbers.
func float32s(buffer []byte) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(buffer))), len(buffer)/4)
}

// checkSpan refuses weights and scales that are no numbers: a group that holds one would lose all its
// values, and a model with one answers nothing but noise. The kernel that only counts is several times
// as fast as the search for the place, which is left to the rare case.
func checkSpan(src quant.Tensor, s span) error {
	if f := src.Format; f.Mode == quant.Plain && f.Dtype.IsFloat() {
		if bad, err := quant.NonFinite(src.Data, f.Dtype); bad == 0 {
			return err
		}
	}
	if err := quant.CheckFinite(src); err != nil {
		return fmt.Errorf("%w: in rows %d to %d, %w; the file is damaged, fetch it again", source.ErrSource, s.from, s.to-1, err)
	}
	return nil
}

// checkRange refuses values that the target's dtype rounds to infinity.
func checkRange(out []byte, d quant.Dtype) error {
	if bad, err := quant.NonFinite(out, d); bad > 0 || err != nil {
		return fmt.Errorf("%w: %d of its values are too large for %s; choose bf16 or f32", source.ErrSource, bad, d)
	}
	return nil
}
