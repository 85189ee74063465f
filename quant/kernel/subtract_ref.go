package kernel

import "fmt"

// Block is a part of a row-major matrix.
type Block struct {
	Values        []float64 // from its first element on
	Rows, Columns int
	Stride        int // elements from a row to the next
}

// Part is rows [fromRow, toRow) and columns [from, to) of b.
func (b Block) Part(fromRow, toRow, from, to int) Block {
	p := Block{Rows: toRow - fromRow, Columns: to - from, Stride: b.Stride}
	if !p.empty() {
		at := fromRow*b.Stride + from
		p.Values = b.Values[at : at+(p.Rows-1)*b.Stride+p.Columns]
	}
	return p
}

// Row is row i.
func (b Block) Row(i int) []float64 { return b.Values[i*b.Stride:][:b.Columns] }

func (b Block) empty() bool { return b.Rows <= 0 || b.Columns <= 0 }

// checkProduct panics if d less a^T b does not fit, as an index out of range does.
func checkProduct(d, a, b Block) {
	if a.Columns != d.Rows || b.Columns != d.Columns || a.Rows != b.Rows {
		panic(fmt.Sprintf("a product [%d, %d]^T [%d, %d] is not [%d, %d]", a.Rows, a.Columns, b.Rows, b.Columns, d.Rows, d.Columns))
	}
	for _, x := range []Block{d, a, b} {
		if x.Stride < x.Columns || len(x.Values) < (x.Rows-1)*x.Stride+x.Columns {
			panic(fmt.Sprintf("a block [%d, %d] of rows %d apart in %d values", x.Rows, x.Columns, x.Stride, len(x.Values)))
		}
	}
}

// subtractProductRef is the definition. The products of an element are subtracted one after the other in the
// order of the rows of a and b, product and difference rounded to float64 each.
func subtractProductRef(d, a, b Block) {
	if d.empty() || a.Rows == 0 {
		return
	}
	checkProduct(d, a, b)
	for p := range a.Rows {
		right := b.Row(p)
		for i, x := range a.Row(p) {
			row := d.Row(i)
			for j, y := range right {
				row[j] -= float64(x * y) // the conversion keeps the compiler from fusing
			}
		}
	}
}
