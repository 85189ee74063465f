package kernel

import "math"

// e2m1Values decodes the 16 codes of a 4-bit float: sign, 2 exponent bits, 1 mantissa bit.
// There is no infinity and no NaN; code 8 is -0.
var e2m1Values = [16]float32{
	0, 0.5, 1, 1.5, 2, 3, 4, 6,
	float32(math.Copysign(0, -1)), -0.5, -1, -1.5, -2, -3, -4, -6,
}

// DecodeE2M1 is the value of the low four bits of code.
func DecodeE2M1(code byte) float32 { return e2m1Values[code&15] }

// EncodeE2M1 is the code nearest to x, ties to the even code, saturating at ±6. The sign is kept on
// what rounds to zero, as Metal does: -0.1 is code 8. NaN is code 7.
func EncodeE2M1(x float32) byte {
	if x != x {
		return 7
	}
	sign := byte(math.Float32bits(x) >> 31 << 3)
	a := math.Float32frombits(math.Float32bits(x) & absMask)
	return sign | e2m1Magnitude(a)
}

// e2m1Magnitude holds Metal's thresholds: a tie goes to the neighbour with mantissa bit 0.
func e2m1Magnitude(a float32) byte {
	switch {
	case a > 5:
		return 7
	case a >= 3.5:
		return 6
	case a > 2.5:
		return 5
	case a >= 1.75:
		return 4
	case a > 1.25:
		return 3
	case a >= 0.75:
		return 2
	case a > 0.25:
		return 1
	}
	return 0
}
