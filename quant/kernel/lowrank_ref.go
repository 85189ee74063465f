package kernel

// addLowRankRef adds b·a to dst: dst [rows, cols], b [rows, rank], a [rank, cols]. The products of an
// element are added one after the other in the order of rank, each rounded to float32.
func addLowRankRef(dst, b, a []float32, rank int) {
	cols := len(a) / rank
	for len(b) > 0 {
		for k, factor := range b[:rank] {
			row := a[k*cols : (k+1)*cols]
			for i, x := range row {
				dst[i] += float32(factor * x) // the conversion keeps the compiler from fusing
			}
		}
		dst, b = dst[cols:], b[rank:]
	}
}
