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
		if err := src.CheckCodes(s.from, s.to); err != nil {
			return fmt.Errorf("%w: %w", source.ErrSource, err)
		}
		own = src.CopyRows(buffer[:size], s.from, s.to)
		return nil
	})
	if len(own.Data) == len(src.Data) && src.Format.Mode == quant.Plain {
		own.Shape = src.Shape // all of it, with all its axes
	}
	tw.src.Release(rowsOf(src, s.from, s.to))
	if err == nil && tw.plan.From.Fused() {
		return tw.fuse(own, buffer, s)
	}
	return own, buffer, err
}

// fuse decodes a span, and adds what adapters change of it. The buffer of the span is given back, and
// that of the sum takes its place.
func (tw *tensorWriter) fuse(own quant.Tensor, buffer []byte, s span) (quant.Tensor, []byte, error) {
	defer tw.giveBack(buffer)
	if err := checkSpan(own, s); err != nil {
		return own, nil, err
	}
	sum := tw.buffer(4 * quant.Elements(own.Shape))
	values := float32s(sum[:4*quant.Elements(own.Shape)])
	if err := own.Decode(values, 0); err != nil {
		return own, sum, err
	}
	if err := tw.src.Fuse(tw.plan.From, s.piece, s.from, values); err != nil {
		return own, sum, err
	}
	fused := quant.Tensor{Shape: own.Shape, Format: quant.FormatF32, Data: sum[:4*len(values)]}
	if bad, err := quant.NonFinite(fused.Data, quant.F32); bad > 0 || err != nil {
		return own, sum, fmt.Errorf("%w: in rows %d to %d, %d values are not finite once the adapters are fused in: one of them is damaged, or its scale is too large", source.ErrSource, s.from, s.to-1, bad)
	}
	return fused, sum, nil
}

// encode makes the chunk of a span.
func (tw *tensorWriter) encode(s span) (chunk, error) {
	c := chunk{first: s.first, source: s.bytes}
	src, buffer, err := tw.take(s)
	if err == nil {
		err = checkSpan(src, s)
	}
	if err == nil {
		err = tw.transform(&c, src)
	}
	if err == nil {
		err = tw.look(s, src, c.parts)
	}
	switch tw.plan.Transform {
	case plan.Copy, plan.Turn, plan.Expand, plan.Fold, plan.Repack:
		c.read = buffer
	default:
		tw.giveBack(buffer)
	}
	return c, err
}

// transform makes the bytes of a chunk from a span of the source.
func (tw *tensorWriter) transform(c *chunk, src quant.Tensor) error {
	target, data, n := tw.plan.Target, src.Data, quant.Elements(src.Shape)
	switch tw.plan.Transform {
	case plan.Copy, plan.Turn: // what was copied has its axes as all others
		c.bytes = data
	case plan.Repack: // copying was repacking
		c.bytes = data
		if src.ScaleDtype != tw.plan.Scale {
			return repack(tw.output(c, n), src, tw.plan.Scale)
		}
		c.parts = quant.Packed{Scales: src.Scales, Biases: src.Biases}
	case plan.Expand:
		c.bytes = data
		return src.ExpandScales(tw.output(c, n).Scales, 0)
	case plan.Fold:
		c.bytes = data
		return src.FoldScales(tw.output(c, n).Scales, 0)
	case plan.ChannelsToFront:
		channelsToFront(tw.output(c, n).Weight, src)
	case plan.ChannelsToBack:
		channelsToBack(tw.output(c, n).Weight, src)
	case plan.AddOne:
		return shift(tw.output(c, n).Weight, data, src.Format.Dtype, target.Dtype, 1)
	case plan.SubtractOne:
		return shift(tw.output(c, n).Weight, data, src.Format.Dtype, target.Dtype, -1)
	case plan.Encode:
		return tw.pack(tw.output(c, n), quant.Values{Data: data, Dtype: src.Format.Dtype}, c.first)
	case plan.Convert:
		if err := tw.pack(tw.output(c, n), quant.Values{Data: data, Dtype: src.Format.Dtype}, c.first); err != nil {
			return err
		}
		return checkRange(c.bytes, target.Dtype)
	case plan.Decode:
		if err := tw.throughFloats(tw.output(c, n), src, c.first); err != nil {
			return err
		}
		return checkRange(c.bytes, target.Dtype)
	case plan.Reencode:
		return tw.throughFloats(tw.output(c, n), src, c.first)
	}
	return nil
}

// rowsOf is the elements of rows [from, to) of a tensor or, where each row has something everywhere in its
// matrix, of the matrices that end with one of them.
func rowsOf(t quant.Tensor, from, to int) []byte {
	rows := quant.Elements(t.Shape) / max(quant.Columns(t.Shape), 1)
	if rows == 0 || t.Format.IsColumns() {
		return nil
	}
	if t.Turned() {
		per := rows / t.Matrices()
		first, last := from/per, to/per
		if first == last {
			return nil
		}
		begin, _ := t.MatrixBytes(first)
		_, end := t.MatrixBytes(last - 1)
		return t.Data[begin:end]
	}
	size := len(t.Data) / rows
	return t.Data[from*size : to*size]
}

// output is where the n elements of a chunk go, with their scales and biases: a buffer. Where the
// elements are those of the source, ready, the buffer holds the rest only.
func (tw *tensorWriter) output(c *chunk, n int) quant.Packed {
	weight, scales, biases := tw.plan.Target.PartSizes(n, tw.plan.Scale)
	if c.bytes != nil {
		weight = 0
	}
	c.buffer = tw.buffer(weight + scales + biases)
	out := quant.Packed{
		Weight: c.buffer[:weight],
		Scales: c.buffer[weight : weight+scales],
		Biases: c.buffer[weight+scales : weight+scales+biases],
	}
	if c.bytes == nil {
		c.bytes = out.Weight
	}
	c.parts = quant.Packed{Scales: out.Scales, Biases: out.Biases}
	return out
}

// throughFloats decodes the elements of a span, which begins at element first, and encodes them again.
func (tw *tensorWriter) throughFloats(out quant.Packed, src quant.Tensor, first int) error {
	n := quant.Elements(src.Shape)
	buffer := tw.buffer(4 * n)
	defer tw.giveBack(buffer)
	values := quant.Values{Data: buffer[:4*n], Dtype: quant.F32}
	if err := src.Decode(float32s(values.Data), 0); err != nil {
		return err
	}
	if bad, err := quant.NonFinite(values.Data, values.Dtype); bad > 0 || err != nil {
		return fmt.Errorf("%w: %d of its values are not finite", source.ErrSource, bad)
	}
	return tw.pack(out, values, first)
}

// pack encodes values from element first on by the rule that the plan says.
func (tw *tensorWriter) pack(out quant.Packed, v quant.Values, first int) error {
	if tw.plan.Search {
		return tw.search(out, v, first)
	}
	return quant.Encode(tw.plan.Target, out, v, quant.Options{Scale: tw.plan.Scale})
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
