package encode

import (
	"bytes"
	"fmt"

	"qimport/convert/source"
	"qimport/quant"
)

// repack writes the scales and biases, float32, of rows that were taken from a tensor of GPTQ or AWQ, in
// their final dtype. A number that this dtype has not is an error: the plan has seen that there is none
// but those too large for any model.
func repack(out quant.Packed, src quant.Tensor, dtype quant.Dtype) error {
	for _, a := range []struct{ dst, src []byte }{{out.Scales, src.Scales}, {out.Biases, src.Biases}} {
		if err := quant.FromFloat32(a.dst, dtype, float32s(a.src)); err != nil {
			return err
		}
		back := make([]float32, len(a.src)/4)
		if err := quant.ToFloat32(back, a.dst, dtype); err != nil {
			return err
		}
		if !bytes.Equal(quant.Float32s(back).Data, a.src) {
			return fmt.Errorf("%w: a zero point times its scale is no number of %s; the file is damaged, fetch it again", source.ErrSource, dtype)
		}
	}
	return nil
}

// channelsToFront copies a patch embedding [out, time, height, width, channels] as
// [out, channels, time, height, width].
func channelsToFront(dst []byte, t quant.Tensor) {
	channels := quant.Columns(t.Shape)
	transpose(dst, t, quant.Elements(t.Shape[1:])/channels, channels)
}

// channelsToBack copies a patch embedding [out, channels, time, height, width] as
// [out, time, height, width, channels].
func channelsToBack(dst []byte, t quant.Tensor) {
	transpose(dst, t, t.Shape[1], quant.Elements(t.Shape[2:]))
}

// transpose copies a tensor [out, rows, cols], whatever its shape says, as [out, cols, rows].
func transpose(dst []byte, t quant.Tensor, rows, cols int) {
	size := t.Format.Dtype.Size()
	for o := range t.Shape[0] {
		for r := range rows {
			for c := range cols {
				from := ((o*rows+r)*cols + c) * size
				to := ((o*cols+c)*rows + r) * size
				copy(dst[to:to+size], t.Data[from:from+size])
			}
		}
	}
}

// shift adds to the gains of norms what another form of them has more, or less, rounded to their dtype
// as mlx-lm does it.
func shift(dst, src []byte, from, to quant.Dtype, by float32) error {
	values := make([]float32, len(src)/from.Size())
	if err := quant.ToFloat32(values, src, from); err != nil {
		return err
	}
	for i := range values {
		values[i] += by
	}
	return quant.FromFloat32(dst, to, values)
}
