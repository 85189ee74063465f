package encode

import "qimport/quant"

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
