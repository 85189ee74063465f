package quant

import "qimport/quant/kernel"

// AddProducts adds, to sums [columns, columns], the products of any two columns of rows [n, columns], summed over
// the rows.
func AddProducts(sums []float64, rows []float32, columns int) {
	n := len(rows) / max(columns, 1)
	block := func() kernel.Block {
		return kernel.Block{Values: make([]float64, len(rows)), Rows: n, Columns: columns, Stride: columns}
	}
	values, less := block(), block()
	for i, x := range rows {
		values.Values[i], less.Values[i] = float64(x), -float64(x)
	}
	all := square(sums, columns)
	for from := 0; from < columns; from += factorRows {
		to := min(from+factorRows, columns)
		subtract(all.Part(from, to, from, columns), less.Part(0, n, from, to), values.Part(0, n, from, columns))
		for i := from; i < to; i++ {
			for j := i + 1; j < columns; j++ {
				sums[j*columns+i] = sums[i*columns+j]
			}
		}
	}
}
