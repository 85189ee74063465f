package quant

import (
	"fmt"
	"math"

	"qimport/quant/kernel"
)

// Options are what Encode may be asked for beside a format. Under the zero value it packs as MLX does.
type Options struct {
	// Scale is the dtype of affine scales and biases: bf16, f16 or f32. NoDtype is that of the
	// values, f32 for f64. Other formats do not look at it.
	Scale Dtype
	// Search takes the scales that lose the least squared error among some beside those of MLX's rule.
	// On normal weights that is a quarter less for nvfp4, a third for affine 8 bits, 3 to 12 per cent
	// for the others, at a tenth of the speed or somewhat more. MXFP8 and Plain have nothing to search.
	Search bool
	// Columns, with Search, is what the squared error of each column of a row weighs: finite, not negative, and
	// as many as the values' rows have columns. nil is the same for all.
	Columns []float32
}

// search is what kernels are told of it.
func (o Options) search() kernel.Search { return kernel.Search{On: o.Search, Columns: o.Columns} }

// Encode packs all of v, whole groups, into p, by the rule of MLX's current GPU kernels in float32
// arithmetic: the same bytes on every machine, with searched scales too. It refuses wrong sizes and
// types, never values: see NonFinite. To a Plain format it rounds to nearest even; what has the format
// already is copied. F64 goes through float32.
func Encode(f Format, p Packed, v Values, o Options) error {
	n, err := v.count()
	if err != nil {
		return err
	}
	if err := o.check(f, n); err != nil {
		return err
	}
	if f == PlainFormat(v.Dtype) {
		if len(p.Weight) != len(v.Data) {
			return fmt.Errorf("%d bytes of %s do not fit into %d", len(v.Data), v.Dtype, len(p.Weight))
		}
		copy(p.Weight, v.Data)
		return nil
	}
	from, ok := v.Dtype.elem()
	if f.Mode == Plain || !ok {
		return encodeThroughFloat32(f, p, v, o)
	}
	dtype := o.scaleDtype(v.Dtype)
	scale, ok := dtype.elem()
	if !ok && f.Mode == Affine {
		return fmt.Errorf("%s: scales cannot be %q, only bf16, f16 or f32", f, dtype)
	}
	if err := p.check(f, n, dtype); err != nil {
		return err
	}
	encode(f, p, v.Data, from, scale, o.search())
	return nil
}

// check refuses weights of columns that are not those of whole rows of n values.
func (o Options) check(f Format, n int) error {
	switch c := len(o.Columns); {
	case c == 0, f.Mode == Plain, f.Mode == MXFP8:
		return nil
	case n%c != 0 || c%f.GroupSize != 0:
		return fmt.Errorf("%s: weights of %d columns for %d values in groups of %d", f, c, n, f.GroupSize)
	}
	return nil
}

// scaleDtype is the dtype of affine scales for values of a dtype.
func (o Options) scaleDtype(values Dtype) Dtype {
	switch {
	case o.Scale != NoDtype:
		return o.Scale
	case values == F64:
		return F32
	}
	return values
}

// GlobalScale is the global scale under which the group that holds the largest magnitude of a
// tensor, amax, gets the largest block scale: amax / (448*6). It is 1 where amax is nothing to divide
// by: 0, or so small or large that Encode would refuse the result.
func GlobalScale(amax float32) float32 {
	const least = 0x1p-126 // the smallest with a finite reciprocal, bar a factor of 2
	g := amax / (448 * 6)
	if g >= least && g <= math.MaxFloat32 {
		return g
	}
	return 1
}

// encode runs the kernel of a quantized format on parts that were checked.
func encode(f Format, p Packed, src []byte, from, scale kernel.Elem, search kernel.Search) {
	k := kernel.Best()
	switch f.Mode {
	case NVFP4:
		k.EncodeNVFP4(p.Weight, p.Scales, src, from, p.global(), search)
	case MXFP4:
		k.EncodeMXFP4(p.Weight, p.Scales, src, from, search)
	case MXFP8:
		k.EncodeMXFP8(p.Weight, p.Scales, src, from)
	case Affine:
		k.EncodeAffine(p.Weight, p.Scales, p.Biases, src, from, scale, f.Bits, f.GroupSize, search)
	}
}

// encodeThroughFloat32 converts a piece at a time: between plain dtypes, and from f64 to any format.
func encodeThroughFloat32(f Format, p Packed, v Values, o Options) error {
	piece := 1024 // elements; a multiple of every group
	if len(o.Columns) > 0 {
		piece = len(o.Columns) // whole rows
	}
	n := len(v.Data) / v.Dtype.Size()
	o.Scale = o.scaleDtype(v.Dtype)
	if err := p.check(f, n, o.Scale); err != nil {
		return err
	}
	buf := make([]float32, piece)
	for at := 0; at < n; at += piece {
		w := buf[:min(piece, n-at)]
		if err := ToFloat32(w, v.piece(at, at+len(w)).Data, v.Dtype); err != nil {
			return err
		}
		part := p.Piece(f, o.Scale, at, at+len(w))
		if err := encodeFloat32(f, part, w, o); err != nil {
			return err
		}
	}
	return nil
}

func encodeFloat32(f Format, p Packed, src []float32, o Options) error {
	if f.Mode == Plain {
		return FromFloat32(p.Weight, f.Dtype, src)
	}
	return Encode(f, p, Float32s(src), o)
}
