package quant

// This file reads tensors, plain or FP8, whose matrices lie input by input, [.., in, rows] in place of
// [.., rows, in], as the releases of Qwen3-VL have their stacks of experts.

// Turned says whether the tensor's matrices lie input by input.
func (t Tensor) Turned() bool { return t.Stride > 0 }

// Matrices is how many matrices a tensor of at least two dimensions has.
func (t Tensor) Matrices() int { return Elements(t.Shape[:len(t.Shape)-2]) }

// elementBytes is the size of one element of a tensor that may be turned.
func (t Tensor) elementBytes() int {
	if t.Format.Mode == FP8 {
		return F8E4M3.Size()
	}
	return t.Format.Dtype.Size()
}

// MatrixBytes is where matrix m of a turned tensor begins in Data, and where the next one does or would.
func (t Tensor) MatrixBytes(m int) (from, to int) {
	size := Columns(t.Shape) * t.Stride * t.elementBytes()
	return m * size, min((m+1)*size, len(t.Data))
}

// turnedRows is where n rows of one matrix lie, among others, from row at on.
func (t Tensor) turnedRows(at, n int) []byte {
	rows, cols, size := t.Shape[len(t.Shape)-2], Columns(t.Shape), t.elementBytes()
	from, _ := t.MatrixBytes(at / rows)
	return t.Data[from+at%rows*size:][:((cols-1)*t.Stride+n)*size]
}

// turnedElements is how many elements Data has, up to the last one that is the tensor's.
func (t Tensor) turnedElements() int {
	inputs := t.Matrices() * Columns(t.Shape)
	if rows := t.Shape[len(t.Shape)-2]; inputs*rows > 0 {
		return (inputs-1)*t.Stride + rows
	}
	return 0
}

// copyTurned copies rows [from, to), counted over all matrices, one after the other.
func (t Tensor) copyTurned(dst []byte, from, to int) {
	rows, cols, size := t.Shape[len(t.Shape)-2], Columns(t.Shape), t.elementBytes()
	for from < to { // a run of rows of one matrix
		m := from / rows
		n := min(to, (m+1)*rows) - from
		begin, end := t.MatrixBytes(m)
		turn(dst[:n*cols*size], t.Data[begin:end], from-m*rows, n, cols, t.Stride, size)
		dst, from = dst[n*cols*size:], from+n
	}
}

// Lines of the source are a row of elements for one input each. They are read some at a time, so that what
// is written of each row meanwhile stays in the cache.
const linesAtOnce = 32

// turn writes rows [row, row+n) of a matrix whose inputs lie stride elements apart.
func turn(dst, src []byte, row, n, cols, stride, size int) {
	for c := 0; c < cols; c += linesAtOnce {
		for i := c; i < min(c+linesAtOnce, cols); i++ {
			line := src[(i*stride+row)*size:][:n*size]
			if size == 2 {
				turnHalves(dst[i*size:], line, cols*size)
				continue
			}
			for r := range n {
				copy(dst[(r*cols+i)*size:][:size], line[r*size:])
			}
		}
	}
}

// turnHalves spreads elements of two bytes, step bytes apart.
func turnHalves(dst, line []byte, step int) {
	for at := 0; len(line) >= 2; at += step {
		dst[at], dst[at+1] = line[0], line[1]
		line = line[2:]
	}
}
