package kernel

import "math"

// mxfp4 and mxfp8: groups of 32 e2m1 or e4m3 codes and one e8m0 scale, a power of two, a group.
const mxGroup = 32

// encodeMXFP4Ref is the definition. src holds 32*len(scales) elements, codes 16*len(scales) bytes.
func encodeMXFP4Ref(codes, scales, src []byte, from Elem, search Search) {
	var w [mxGroup]float32
	for g := range scales {
		widenRef(w[:], src[g*mxGroup*from.Size():], from)
		scales[g] = EncodeE8M0(maxAbs(w[:]) / 6)
		if search.On {
			scales[g] = searchE8M0(w[:], search.at(g, mxGroup), scales[g])
		}
		packE2M1(codes[g*mxGroup/2:], w[:], 1/DecodeE8M0(scales[g]))
	}
}

// decodeMXFP4Ref writes e2m1 * 2^(scale-127).
func decodeMXFP4Ref(dst []float32, codes, scales []byte) {
	for g, s := range scales {
		unpackE2M1(dst[g*mxGroup:][:mxGroup], codes[g*mxGroup/2:], DecodeE8M0(s))
	}
}

// encodeMXFP8Ref is the definition. src holds 32*len(scales) elements, codes 32*len(scales) bytes.
func encodeMXFP8Ref(codes, scales, src []byte, from Elem) {
	var w [mxGroup]float32
	for g := range scales {
		widenRef(w[:], src[g*mxGroup*from.Size():], from)
		scales[g] = EncodeE8M0(maxAbs(w[:]) / 448)
		packE4M3(codes[g*mxGroup:], w[:], 1/DecodeE8M0(scales[g]))
	}
}

// decodeMXFP8Ref writes e4m3 * 2^(scale-127).
func decodeMXFP8Ref(dst []float32, codes, scales []byte) {
	for g, s := range scales {
		decodeE4M3Ref(dst[g*mxGroup:][:mxGroup], codes[g*mxGroup:], DecodeE8M0(s))
	}
}

// packE4M3 takes the sign from the element, not from the product, whose sign would be up to the CPU
// where inv is NaN.
func packE4M3(codes []byte, w []float32, inv float32) {
	for i, x := range w {
		u := math.Float32bits(x)
		q := math.Float32frombits(u&absMask) * inv
		codes[i] = byte(u>>31<<7) | e4m3Magnitude(math.Float32bits(q)&absMask)
	}
}

// decodeE4M3Ref writes e4m3 * scale for len(dst) codes of one scale.
func decodeE4M3Ref(dst []float32, codes []byte, scale float32) {
	for i := range dst {
		dst[i] = DecodeE4M3(codes[i]) * scale
	}
}
