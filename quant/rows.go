package quant

// RowsSize is how many bytes CopyRows takes for that many rows.
func (t Tensor) RowsSize(n int) int {
	rows := t.rows()
	if rows == 0 {
		return 0
	}
	if t.Format.Mode == Int {
		return t.intRowsSize(n)
	}
	if t.Format.IsColumns() {
		weight, scales, biases := t.rowFormat().PartSizes(n*Columns(t.Shape), F32)
		return weight + scales + biases
	}
	if t.Turned() {
		size := n * Columns(t.Shape) * t.elementBytes()
		if t.Format.Mode == FP8 {
			size += t.blocks().across * t.ScaleDtype.Size() * n
		}
		return size
	}
	size := (len(t.Data) + len(t.Biases)) / rows * n
	if t.Format.Mode == FP8 {
		return size + t.blocks().across*t.ScaleDtype.Size()*n
	}
	return size + len(t.Scales)/rows*n
}

// rows is how many lines of the last dimension there are.
func (t Tensor) rows() int { return Elements(t.Shape) / max(Columns(t.Shape), 1) }

// CopyRows copies rows [from, to), counted over all leading dimensions, with their scales, into dst,
// which has RowsSize bytes. The copy is a tensor [to-from, columns] of the same values; scales that
// blocks of rows shared are there once for each row. Integers (Int, GPTQ, AWQ) are affine (see AffineOf
// and Format.Affine), or float32 where no affine format holds them, or their inputs are out of order. Only Go code reads t: borrowed bytes
// that may become unreadable are copied so before a kernel works on them.
func (t Tensor) CopyRows(dst []byte, from, to int) Tensor {
	n, rows := to-from, t.rows()
	out := Tensor{Shape: []int{n, Columns(t.Shape)}, Format: t.Format, ScaleDtype: t.ScaleDtype, Inputs: t.Inputs}
	if rows == 0 {
		return out
	}
	if t.Format.Mode == Int {
		t.copyInts(&out, dst, from)
		return out
	}
	if t.Format.IsColumns() {
		return t.copyColumns(dst, from, to)
	}
	if t.Turned() {
		size := n * out.Shape[1] * t.elementBytes()
		out.Data = dst[:size:size]
		t.copyTurned(out.Data, from, to)
		if t.Format.Mode == FP8 {
			out.Format.BlockRows = 1
			out.Scales = t.copyBlockScales(dst[size:], from, to)
		}
		return out
	}
	take := func(part []byte) []byte {
		size := len(part) / rows
		own := dst[: size*n : size*n]
		copy(own, part[size*from:size*to])
		dst = dst[size*n:]
		return own
	}
	out.Data, out.Biases = take(t.Data), take(t.Biases)
	if t.Format.Mode == FP8 {
		out.Format.BlockRows = 1
		out.Scales = t.copyBlockScales(dst, from, to)
		return out
	}
	out.Scales, out.Global = take(t.Scales), t.globals(from, to)
	return out
}

// copyBlockScales copies the scales of the blocks that each row runs through.
func (t Tensor) copyBlockScales(dst []byte, from, to int) []byte {
	b, at := t.blocks(), 0
	size := b.across * t.ScaleDtype.Size()
	for row := from; row < to; row++ {
		if t.Turned() {
			t.turnScales(dst[at:at+size], b, row)
			at += size
			continue
		}
		at += copy(dst[at:at+size], t.Scales[b.scales(row)*t.ScaleDtype.Size():])
	}
	return dst[:at]
}

// turnScales is copyBlockScales of one row of a turned tensor, whose blocks lie below one another.
func (t Tensor) turnScales(dst []byte, b blocks, row int) {
	size := t.ScaleDtype.Size()
	first := row/b.rows*b.across*b.down + row%b.rows/b.height
	for i := range b.across {
		copy(dst[i*size:][:size], t.Scales[(first+i*b.down)*size:])
	}
}

// globals are the global scales of rows [from, to): one if they share it, else one a row.
func (t Tensor) globals(from, to int) []float32 {
	switch {
	case len(t.Global) < 2:
		return t.Global
	case from == to:
		return nil
	}
	perExpert := t.rows() / len(t.Global)
	if first := from / perExpert; first == (to-1)/perExpert {
		return t.Global[first : first+1]
	}
	var all []float32
	for row := from; row < to; row++ {
		all = append(all, t.Global[row/perExpert])
	}
	return all
}
