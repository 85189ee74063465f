package kernel

import "math"

// nvfp4: groups of 16 e2m1 codes, two a byte with the first in the low nibble, and one e4m3 scale a
// group. Optionally all values are multiplied by one more float32, the global scale.
const nvfp4Group = 16

// encodeNVFP4Ref is the definition. src holds 16*len(scales) elements, codes 8*len(scales) bytes.
// Decoding multiplies by global, which is positive and has a finite reciprocal: 1 for none.
func encodeNVFP4Ref(codes, scales, src []byte, from Elem, global float32, search Search) {
	var w [nvfp4Group]float32
	enc := 1 / global
	for g := range scales {
		widenRef(w[:], src[g*nvfp4Group*from.Size():], from)
		s := float32(maxAbs(w[:])/6) * enc
		code := e4m3Magnitude(math.Float32bits(s) & absMask)
		if search.On {
			code = searchE4M3(w[:], search.at(g, nvfp4Group), code, global)
		}
		scales[g] = code
		packE2M1(codes[g*nvfp4Group/2:], w[:], nvfp4Inverse(code, enc))
	}
}

// nvfp4Inverse is what elements are multiplied by before they become codes; 0 under a scale of 0.
func nvfp4Inverse(code byte, enc float32) float32 {
	if code == 0 {
		return 0
	}
	return enc / DecodeE4M3(code)
}

// decodeNVFP4Ref writes e2m1 * scale * global, where the first product is exact.
func decodeNVFP4Ref(dst []float32, codes, scales []byte, global float32) {
	for g, s := range scales {
		scale := DecodeE4M3(s)
		unpackE2M1(dst[g*nvfp4Group:][:nvfp4Group], codes[g*nvfp4Group/2:], scale)
		for i := g * nvfp4Group; i < (g+1)*nvfp4Group; i++ {
			dst[i] *= global
		}
	}
}

// packE2M1 multiplies by the reciprocal of the scale, as Metal does, never divides by the scale.
func packE2M1(codes []byte, w []float32, inv float32) {
	for i := 0; i < len(w); i += 2 {
		codes[i/2] = EncodeE2M1(w[i]*inv) | EncodeE2M1(w[i+1]*inv)<<4
	}
}

func unpackE2M1(dst []float32, codes []byte, scale float32) {
	for i := 0; i < len(dst); i += 2 {
		c := codes[i/2]
		dst[i], dst[i+1] = DecodeE2M1(c)*scale, DecodeE2M1(c>>4)*scale
	}
}
