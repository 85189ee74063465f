package export

import (
	"qimport/convert/plan"
	"qimport/convert/source"
	"qimport/quant"
)

// half is the gate or the up projections of a fused stack of experts [E, 2*I, H].
type half struct {
	whole  source.Tensor
	second bool
}

// halfTensor describes a half as a stack of single experts [E, I, H], so that each is a piece.
func halfTensor(whole source.Tensor, h plan.Tensor) source.Tensor {
	t := whole
	t.Name, t.Shape, t.Stacked = h.Name, h.Shape, true
	t.Pieces = make([]source.Piece, h.Shape[0])
	if len(whole.Pieces) == 1 { // the bytes that each stands for
		for e := range t.Pieces {
			t.Pieces[e] = source.Piece{Weight: source.Part{Bytes: whole.Bytes() / int64(2*len(t.Pieces))}}
		}
	}
	return t
}

// exportView lends a source's tensors, halves of fused stacks as if they were stacks of their own.
type exportView struct {
	*source.Source
	halves map[string]half
}

// LoadPiece lends piece i of a tensor, or expert i of a half.
func (v exportView) LoadPiece(t source.Tensor, i int) (quant.Tensor, error) {
	h, ok := v.halves[t.Name]
	if !ok {
		return v.Source.LoadPiece(t, i)
	}
	piece, expert, count := 0, i, t.Shape[0]
	if h.whole.Stacked {
		piece, expert, count = i, 0, 1
	}
	whole, err := v.Source.LoadPiece(h.whole, piece)
	if err != nil || whole.Format.Mode != quant.FP8 {
		return halfOf(whole, expert, count, h.second), err
	}
	return v.copyHalf(whole, expert, count, h.second)
}

// copyHalf is halfOf FP8, whose blocks may run across the two halves: a copy that has a scale for each row.
func (v exportView) copyHalf(t quant.Tensor, e, count int, second bool) (out quant.Tensor, err error) {
	rows := quant.Elements(t.Shape) / max(quant.Columns(t.Shape), 1) / (2 * count)
	from := 2 * e * rows
	if second {
		from += rows
	}
	buffer := make([]byte, t.RowsSize(rows))
	err = v.Guard(func() error { out = t.CopyRows(buffer, from, from+rows); return nil })
	return out, err
}

// halfOf is the first or second half of the rows of expert e of count.
func halfOf(t quant.Tensor, e, count int, second bool) quant.Tensor {
	if t.Turned() {
		return turnedHalf(t, e, second)
	}
	n := 2 * e
	if second {
		n++
	}
	part := func(b []byte) []byte {
		size := len(b) / (2 * count)
		return b[n*size : (n+1)*size]
	}
	cols := quant.Columns(t.Shape)
	rows := quant.Elements(t.Shape) / max(cols, 1) / (2 * count)
	out := quant.Tensor{Shape: []int{rows, cols}, Format: t.Format, ScaleDtype: t.ScaleDtype}
	out.Data, out.Scales, out.Biases = part(t.Data), part(t.Scales), part(t.Biases)
	switch len(t.Global) {
	case 0:
	case 1:
		out.Global = t.Global
	default:
		out.Global = t.Global[e : e+1]
	}
	return out
}

// turnedHalf is halfOf a stack that lies input by input, where gate and up take turns.
func turnedHalf(t quant.Tensor, e int, second bool) quant.Tensor {
	cols, rows, size := quant.Columns(t.Shape), t.Shape[1]/2, t.Format.Dtype.Size()
	from, _ := t.MatrixBytes(e)
	if second {
		from += rows * size
	}
	out := quant.Tensor{Shape: []int{rows, cols}, Format: t.Format, Stride: t.Stride}
	out.Data = t.Data[from:][:((cols-1)*t.Stride+rows)*size]
	return out
}
