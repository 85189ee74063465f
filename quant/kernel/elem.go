package kernel

import (
	"encoding/binary"
	"math"
)

// Elem is the type of an unpacked element, and of an affine scale or bias.
type Elem uint8

// The three types that weights come in, little-endian in memory.
const (
	BF16 Elem = iota
	F16
	F32
)

// Size is the bytes of one element.
func (e Elem) Size() int {
	if e == F32 {
		return 4
	}
	return 2
}

// load reads element i of src as float32, which every Elem fits into exactly.
func (e Elem) load(src []byte, i int) float32 {
	switch e {
	case BF16:
		return BF16ToFloat(binary.LittleEndian.Uint16(src[2*i:]))
	case F16:
		return F16ToFloat(binary.LittleEndian.Uint16(src[2*i:]))
	default:
		return math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
}

// store rounds x to nearest even and writes it as element i of dst.
func (e Elem) store(dst []byte, i int, x float32) {
	switch e {
	case BF16:
		binary.LittleEndian.PutUint16(dst[2*i:], FloatToBF16(x))
	case F16:
		binary.LittleEndian.PutUint16(dst[2*i:], FloatToF16(x))
	default:
		binary.LittleEndian.PutUint32(dst[4*i:], canonical(x))
	}
}

// round is x as type e holds it.
func (e Elem) round(x float32) float32 {
	var b [4]byte
	e.store(b[:], 0, x)
	return e.load(b[:], 0)
}
