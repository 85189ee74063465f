package kernel

import "math"

// widenRef reads len(dst) elements of src.
func widenRef(dst []float32, src []byte, from Elem) {
	for i := range dst {
		dst[i] = from.load(src, i)
	}
}

// narrowRef rounds src to nearest even, all of it, into dst. Every NaN becomes the same one.
func narrowRef(dst []byte, to Elem, src []float32) {
	for i, x := range src {
		to.store(dst, i, x)
	}
}

// nonFiniteRef counts the NaN and infinities among all elements of src.
func nonFiniteRef(src []byte, from Elem) int {
	n := 0
	for i := range len(src) / from.Size() {
		if math.Float32bits(from.load(src, i))&absMask >= infF32 {
			n++
		}
	}
	return n
}

// maxAbs is the largest magnitude, where NaN counts as larger than infinity.
func maxAbs(w []float32) float32 {
	m := uint32(0)
	for _, x := range w {
		m = max(m, math.Float32bits(x)&absMask)
	}
	return math.Float32frombits(m)
}
