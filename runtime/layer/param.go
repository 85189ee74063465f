package layer

import (
	"fmt"

	"qimport/internal/untrusted"
	"qimport/quant"
	"qimport/runtime/mlx"
)

// Param is one array that a model keeps: what it will be, how its bytes are made, and, once
// placed, the array.
type Param struct {
	Name  string
	Shape []int
	Dtype quant.Dtype
	Fill  func(dst []byte) error // writes all Bytes of it; safe to call from any goroutine
	Array *mlx.Array             // nil until placed
}

// Bytes is what the array takes in memory.
func (p *Param) Bytes() int64 { return int64(quant.Elements(p.Shape)) * int64(p.Dtype.Size()) }

// vectorParam is a small tensor in float32, with the value function applied to every element.
func vectorParam(t *Stored, value func(float32) float32) *Param {
	return &Param{Name: t.Name, Shape: t.Tensor.Shape, Dtype: quant.F32, Fill: func(dst []byte) error {
		f := floats(dst)
		if err := t.decode(f); err != nil {
			return err
		}
		for i, x := range f {
			f[i] = value(x)
		}
		return nil
	}}
}

// decode reads the whole tensor.
func (t *Stored) decode(dst []float32) error {
	if err := t.check(); err != nil {
		return err
	}
	for _, p := range t.Pieces {
		rows, n := rowCount(p), quant.Elements(p.Shape)
		own := make([]byte, p.RowsSize(rows))
		err := untrusted.Guard(func() error {
			p = p.CopyRows(own, 0, rows)
			return nil
		})
		if err == nil {
			err = p.Decode(dst[:n], 0)
		}
		if err != nil {
			return fmt.Errorf("tensor %s: %w", t.Name, err)
		}
		dst = dst[n:]
	}
	return nil
}

// NewTable is a small stored tensor in float32, as it is.
func NewTable(t *Stored) *Param { return vectorParam(t, func(x float32) float32 { return x }) }
