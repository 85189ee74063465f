package quant

import (
	"math"

	"qimport/quant/kernel"
)

// AddLowRank adds b·a to dst, all row-major: dst [rows, cols], b [rows, rank], a [rank, cols]. Products
// and sums are float32, in the order of rank: the same on every machine.
func AddLowRank(dst, b, a []float32, rank int) { kernel.Best().AddLowRank(dst, b, a, rank) }

// ScaleRows gives each row of dst [len(norms), cols] the Euclidean norm that norms says, as weights
// decomposed into magnitude and direction have it (DoRA, arXiv:2402.09353, equation 5). The norm that a
// row has is summed in float64, in the order of its elements. A row of zeros has no direction, and
// becomes NaN.
func ScaleRows(dst, norms []float32) {
	if len(norms) == 0 {
		return
	}
	cols := len(dst) / len(norms)
	for i, norm := range norms {
		row := dst[i*cols : (i+1)*cols]
		sum := 0.0
		for _, x := range row {
			sum += float64(float64(x) * float64(x)) // the conversion keeps the compiler from fusing
		}
		factor := norm / float32(math.Sqrt(sum))
		for j := range row {
			row[j] *= factor
		}
	}
}
