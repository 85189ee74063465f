package kernel

import "math"

// Likeliest is where the largest of the first size elements lies in each row of logits [n, width], the first of
// equals; -1 where one of them is not finite.
func Likeliest(ids []int32, logits []float32, width, size int) {
	for row := range ids {
		all, best := logits[row*width:][:size], 0
		finite := true
		for i, l := range all {
			if l > all[best] {
				best = i
			}
			finite = finite && !math.IsNaN(float64(l)) && !math.IsInf(float64(l), 0)
		}
		if ids[row] = int32(best); !finite {
			ids[row] = -1
		}
	}
}
