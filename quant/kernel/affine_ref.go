package kernel

import "math"

// affineMinScale is the smallest magnitude of a scale before its edge is made exact.
const affineMinScale = 1e-7

// encodeAffineRef is the definition. src holds group elements for each of the n groups; codes gets
// bits*group/8 bytes a group, scales and biases one element of type scale a group. The rule is that
// of MLX's GPU kernels: the maximum starts at 0, halves round away from zero.
func encodeAffineRef(codes, scales, biases, src []byte, from, scale Elem, bits, group int, search Search) {
	w := make([]float32, group)
	top := float32(int(1)<<bits - 1)
	size := group * bits / 8
	for g := range len(codes) / size {
		widenRef(w, src[g*group*from.Size():], from)
		s, b := affineScale(w, top)
		if search.On {
			s, b = searchAffine(w, search.at(g, group), s, b, top, scale)
		}
		scale.store(scales, g, s)
		scale.store(biases, g, b)
		packBits(codes[g*size:][:size], w, bits, func(x float32) uint64 {
			return affineCode(float32(x-b)/s, top) // with the unrounded scale and bias
		})
	}
}

// affineScale fits scale and bias to one group so that the value of largest magnitude, and 0 where
// it lies in the range, come out exact. The scale is negative where the maximum is the anchor.
func affineScale(w []float32, top float32) (scale, bias float32) {
	lo, hi := affineRange(w)
	s := float32(hi-lo) / top
	if s < affineMinScale {
		s = affineMinScale
	}
	edge := lo
	if !(float32(math.Abs(float64(lo))) > float32(math.Abs(float64(hi)))) {
		edge, s = hi, -s
	}
	q := float32(math.Round(float64(edge / s)))
	if q == 0 {
		return s, 0
	}
	return edge / q, edge
}

// affineRange is the minimum, and the maximum or 0, in the order of the bit patterns: a NaN lies
// beyond the infinity of its sign.
func affineRange(w []float32) (lo, hi float32) {
	l, h := int32(math.MaxInt32), int32(0)
	for _, x := range w {
		k := orderKey(x)
		l, h = min(l, k), max(h, k)
	}
	return fromOrderKey(l), fromOrderKey(h)
}

// orderKey maps floats to integers of the same order.
func orderKey(x float32) int32 {
	b := int32(math.Float32bits(x))
	return b ^ b>>31&absMask
}

func fromOrderKey(k int32) float32 { return math.Float32frombits(uint32(k ^ k>>31&absMask)) }

// justBelowHalf plus v, cut to an integer, is v rounded with halves away from zero, for v from 0 to
// 2^22: with a whole 0.5, the float just below 0.5 would become 1.
const justBelowHalf = 0x1.fffffep-2

// affineCode rounds v, halves away from zero, into 0..top; NaN is 0.
func affineCode(v, top float32) uint64 {
	switch {
	case v >= top:
		return uint64(top)
	case v > 0:
		return uint64(v + justBelowHalf)
	}
	return 0
}

// packBits writes the codes of w as one stream of bits, lowest first. len(w)*bits is a multiple of 8.
func packBits(dst []byte, w []float32, bits int, code func(float32) uint64) {
	acc, have, at := uint64(0), 0, 0
	for _, x := range w {
		acc |= code(x) << have
		for have += bits; have >= 8; have -= 8 {
			dst[at] = byte(acc)
			acc >>= 8
			at++
		}
	}
}

// decodeAffineRef writes code*scale + bias in float32, product and sum rounded each.
func decodeAffineRef(dst []float32, codes, scales, biases []byte, scale Elem, bits, group int) {
	size := group * bits / 8
	for g := range len(dst) / group {
		s, b := scale.load(scales, g), scale.load(biases, g)
		unpackBits(dst[g*group:][:group], codes[g*size:], bits, s, b)
	}
}

func unpackBits(dst []float32, codes []byte, bits int, s, b float32) {
	acc, have, at := uint64(0), 0, 0
	for i := range dst {
		for ; have < bits; have += 8 {
			acc |= uint64(codes[at]) << have
			at++
		}
		q := float32(acc & (1<<bits - 1))
		dst[i] = float32(q*s) + b // the conversion keeps the compiler from fusing the two
		acc >>= bits
		have -= bits
	}
}
