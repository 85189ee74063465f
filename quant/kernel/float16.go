package kernel

import "math"

// Every NaN is stored as the one positive quiet NaN of its type: the sign and payload that
// arithmetic gives a NaN differ between CPUs, and the same input must give the same bytes.
const (
	nanBF16 = 0x7FC0
	nanF16  = 0x7E00
	nanF32  = 0x7FC00000
	infF32  = 0x7F800000
	absMask = 0x7FFFFFFF
)

// canonical is the bits of x, with every NaN the same.
func canonical(x float32) uint32 {
	if x != x {
		return nanF32
	}
	return math.Float32bits(x)
}

// BF16ToFloat widens a bfloat16: 1 sign, 8 exponent and 7 mantissa bits, the upper half of a float32.
func BF16ToFloat(b uint16) float32 { return math.Float32frombits(uint32(b) << 16) }

// FloatToBF16 rounds to the nearest bfloat16, ties to even; too large becomes infinity.
func FloatToBF16(x float32) uint16 {
	if x != x {
		return nanBF16
	}
	u := math.Float32bits(x)
	return uint16((u + 0x7FFF + u>>16&1) >> 16)
}

// F16ToFloat widens an IEEE half: 1 sign, 5 exponent (bias 15) and 10 mantissa bits.
func F16ToFloat(b uint16) float32 {
	sign := uint32(b&0x8000) << 16
	mag := uint32(b & 0x7FFF)
	switch {
	case mag >= 0x7C00: // infinity, NaN: the payload is kept
		return math.Float32frombits(sign | infF32 | mag<<13&0x7FFFFF)
	case mag >= 0x0400: // exponent bias 15 -> 127
		return math.Float32frombits(sign | (mag<<13 + (127-15)<<23))
	default: // subnormal: a multiple of 2^-24
		return math.Float32frombits(sign | math.Float32bits(float32(mag)*0x1p-24))
	}
}

// FloatToF16 rounds to the nearest half, ties to even, with subnormals; too large becomes infinity.
func FloatToF16(x float32) uint16 {
	if x != x {
		return nanF16
	}
	u := math.Float32bits(x)
	sign := uint16(u >> 16 & 0x8000)
	abs := u & absMask
	switch {
	case abs >= 0x477FF000: // from 65520 on, halfway past the largest half, 65504
		return sign | 0x7C00
	case abs >= 0x38800000: // 2^-14, the smallest normal half
		return sign | uint16((abs-(127-15)<<23+0xFFF+abs>>13&1)>>13)
	default: // adding 0.5 leaves the value in units of 2^-24, rounded to even, in the low bits
		return sign | uint16(math.Float32bits(math.Float32frombits(abs)+0.5))
	}
}
