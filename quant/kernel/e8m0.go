package kernel

import "math"

// e8m0NaN is the scale of a group that holds NaN or an infinity.
const e8m0NaN = 0xFF

// DecodeE8M0 is the value of a power-of-two scale, 2^(code-127), from 2^-127 to 2^127; 0xFF is NaN.
func DecodeE8M0(code byte) float32 {
	switch code {
	case 0:
		return 0x1p-127
	case e8m0NaN:
		return math.Float32frombits(nanF32)
	}
	return math.Float32frombits(uint32(code) << 23)
}

// EncodeE8M0 is the smallest power of two that is not less than s, at most 2^127: the rule of MLX
// since 0.32.2. 0 gives code 0, NaN and infinity 0xFF. s is not negative. (A subnormal s, under
// 2^-126, gives code 1, one power more than it needs at most.)
func EncodeE8M0(s float32) byte {
	u := math.Float32bits(s) & absMask
	if u >= infF32 {
		return e8m0NaN
	}
	code := u >> 23
	if u&0x7FFFFF != 0 {
		code++
	}
	return byte(min(code, 254))
}
