package kernel

import "math"

// e4m3Max is the code of 448, the largest e4m3 value; 0x7F is NaN.
const e4m3Max = 0x7E

// e4m3Values decodes the 256 codes of e4m3fn.
var e4m3Values = func() (t [256]float32) {
	for i := range t {
		t[i] = decodeE4M3(byte(i))
	}
	return t
}()

// DecodeE4M3 is the value of an 8-bit float, e4m3fn: sign, 4 exponent bits (bias 7), 3 mantissa
// bits, no infinities; 0x7F and 0xFF are NaN.
func DecodeE4M3(code byte) float32 { return e4m3Values[code] }

func decodeE4M3(code byte) float32 {
	sign := uint32(code>>7) << 31
	exp, mant := int(code>>3&15), float64(code&7)
	switch {
	case code&0x7F == 0x7F:
		return math.Float32frombits(sign | nanF32)
	case exp == 0:
		return math.Float32frombits(sign | math.Float32bits(float32(mant*0x1p-9)))
	}
	return math.Float32frombits(sign | math.Float32bits(float32(math.Ldexp(1+mant/8, exp-7))))
}

// EncodeE4M3 is the code nearest to x, ties to even, saturating: everything from ±448 on, and NaN,
// is 0x7E with the sign of x. The NaN code is never made.
func EncodeE4M3(x float32) byte {
	u := math.Float32bits(x)
	return byte(u>>31<<7) | e4m3Magnitude(u&absMask)
}

// e4m3Magnitude encodes a non-negative float given by its bits.
func e4m3Magnitude(u uint32) byte {
	switch {
	case u >= 0x43E00000: // 448
		return e4m3Max
	case u < 121<<23: // under 2^-6, the smallest normal: adding 2^14 leaves units of 2^-9 in the low bits
		return byte(math.Float32bits(math.Float32frombits(u)+0x1p14) - 141<<23)
	}
	return byte((u - 120<<23 + 0x7FFFF + u>>20&1) >> 20) // exponent bias 127 -> 7
}
