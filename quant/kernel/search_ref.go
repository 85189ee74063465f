package kernel

import "math"

// The plain rules take a group's scale from its range alone. With search, kernels also try scales
// beside it, encode the group with each, and keep what loses the least squared error: the plain one
// among equals. Errors are added up in float32 in lossLanes lanes, element i in lane i modulo their
// number (of pairs, for 4 bits), so that vector code adds in the same order.
const lossLanes = 8

// Search says whether scales are searched, and what an error weighs in which column.
type Search struct {
	On bool
	// Columns is the weight of the squared error of each element of a row, finite and not negative, and as
	// many as a row has elements; then what is encoded begins with a row. nil is 1 for all.
	Columns []float32
}

// at is the weights of group g of that many elements, nil for none.
func (s Search) at(g, size int) []float32 {
	if s.Columns == nil {
		return nil
	}
	from := g * size % len(s.Columns)
	return s.Columns[from : from+size]
}

// weighted is the squared error of element i under the weights h of its group.
func weighted(h []float32, i int, square float32) float32 {
	if h == nil {
		return square
	}
	return float32(square * h[i])
}

// sumLanes adds the lanes pairwise.
func sumLanes(s *[lossLanes]float32) float32 {
	return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}

// searchE4M3 tries scales from two codes under the plain one to six over it. Half again as large a
// scale makes the largest element a 4, not a 6, and the steps below it finer.
func searchE4M3(w, h []float32, plain byte, global float32) byte {
	enc := 1 / global
	best, least := plain, e2m1Loss(w, h, nvfp4Inverse(plain, enc), DecodeE4M3(plain)*global)
	for k := -2; k <= 6; k++ {
		c := int(plain) + k
		if c < 1 || c > e4m3Max {
			continue
		}
		if e := e2m1Loss(w, h, nvfp4Inverse(byte(c), enc), DecodeE4M3(byte(c))*global); e < least {
			best, least = byte(c), e
		}
	}
	return best
}

// searchE8M0 tries half the plain scale: the largest elements saturate, the others have finer steps.
func searchE8M0(w, h []float32, plain byte) byte {
	if plain == 0 || plain == e8m0NaN {
		return plain
	}
	scale, half := DecodeE8M0(plain), DecodeE8M0(plain-1)
	if e2m1Loss(w, h, 1/half, half) < e2m1Loss(w, h, 1/scale, scale) {
		return plain - 1
	}
	return plain
}

// e2m1Loss is the squared error of a group whose elements are multiplied by inv, become e2m1 codes,
// and are multiplied by step again.
func e2m1Loss(w, h []float32, inv, step float32) float32 {
	var sum [lossLanes]float32
	for i := 0; i < len(w); i += 2 {
		a, b := e2m1Error(w[i], inv, step), e2m1Error(w[i+1], inv, step)
		sum[i/2%lossLanes] += float32(weighted(h, i, float32(a*a)) + weighted(h, i+1, float32(b*b)))
	}
	return sumLanes(&sum)
}

func e2m1Error(x, inv, step float32) float32 {
	a := math.Float32frombits(math.Float32bits(x) & absMask)
	return a - float32(DecodeE2M1(e2m1Magnitude(a*inv))*step)
}

// affineShrink are the factors tried on an affine scale, in 64ths: a smaller scale cuts off the end
// of the range that is not the anchor.
var affineShrink = [...]float32{64, 62, 60, 58, 56, 54, 52, 48, 44}

// searchAffine tries smaller scales, and codes that are picked for scale and bias as they are
// stored, rounded to type e, which the plain rule does not.
func searchAffine(w, h []float32, s, b, top float32, e Elem) (scale, bias float32) {
	plain, stored := e.round(s), e.round(b)
	scale, bias = s, b
	least := affineLoss(w, h, s, b, plain, stored, top)
	for _, k := range affineShrink {
		try := e.round(float32(plain * (k / 64)))
		if loss := affineLoss(w, h, try, stored, try, stored, top); loss < least {
			scale, bias, least = try, stored, loss
		}
	}
	return scale, bias
}

// affineLoss is the squared error of codes picked with one scale and bias, decoded with another.
func affineLoss(w, h []float32, s, b, decodeScale, decodeBias, top float32) float32 {
	var sum [lossLanes]float32
	for i, x := range w {
		q := float32(affineCode(float32(x-b)/s, top))
		d := float32(float32(q*decodeScale)+decodeBias) - x
		sum[i%lossLanes] += weighted(h, i, float32(d*d))
	}
	return sumLanes(&sum)
}
