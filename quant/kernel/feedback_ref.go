package kernel

import "math"

// Error feedback from column to column (GPTQ, here in the form without an inverse): a column is not rounded to
// what it was, but to what makes up for the errors of the columns before it. A group's scale is searched when its
// turn comes, by what its weights have then become.

// encodeNVFP4FeedbackRef is the definition, of rows w [n, columns].
func encodeNVFP4FeedbackRef(codes, scales []byte, w []float32, global float32, f Feedback) {
	enc := 1 / global
	f.each(w, nvfp4Group, func(at int, group, h []float32) func(float32, int) float32 {
		g := at / nvfp4Group
		code := e4m3Magnitude(math.Float32bits(float32(maxAbs(group)/6)*enc) & absMask)
		code = searchE4M3(group, h, code, global)
		scales[g] = code
		return e2m1Feedback(codes[g*nvfp4Group/2:], nvfp4Inverse(code, enc), DecodeE4M3(code)*global)
	})
}

// encodeMXFP4FeedbackRef is the definition, of rows w [n, columns].
func encodeMXFP4FeedbackRef(codes, scales []byte, w []float32, f Feedback) {
	f.each(w, mxGroup, func(at int, group, h []float32) func(float32, int) float32 {
		g := at / mxGroup
		scales[g] = searchE8M0(group, h, EncodeE8M0(maxAbs(group)/6))
		inv, step := mxfp4Steps(scales[g])
		return e2m1Feedback(codes[g*mxGroup/2:], inv, step)
	})
}

func mxfp4Steps(code byte) (inv, step float32) {
	s := DecodeE8M0(code)
	return 1 / s, s
}

// encodeAffineFeedbackRef is the definition, of rows w [n, columns]. Codes are picked for scale and bias as they
// are stored.
func encodeAffineFeedbackRef(codes, scales, biases []byte, w []float32, scale Elem, bits, group int, f Feedback) {
	top, size := float32(int(1)<<bits-1), group*bits/8
	picked := make([]float32, group)
	f.each(w, group, func(at int, values, h []float32) func(float32, int) float32 {
		g := at / group
		s, b := affineScale(values, top)
		s, b = searchAffine(values, h, s, b, top, scale)
		scale.store(scales, g, s)
		scale.store(biases, g, b)
		s, b = scale.load(scales, g), scale.load(biases, g)
		return func(x float32, i int) (decoded float32) {
			picked[i], decoded = affineFeedback(x, s, b, top)
			if i == group-1 {
				packBits(codes[g*size:][:size], picked, bits, pickedCode)
			}
			return decoded
		}
	})
}

// affineFeedback is the code of x, as a float, and what it decodes to.
func affineFeedback(x, s, b, top float32) (code, decoded float32) {
	code = float32(affineCode(float32(x-b)/s, top))
	return code, float32(code*s) + b
}

func pickedCode(q float32) uint64 { return uint64(q) }

// e2m1Feedback writes the codes of a group one by one and says what each has become.
func e2m1Feedback(codes []byte, inv, step float32) func(float32, int) float32 {
	return func(x float32, i int) float32 {
		c := EncodeE2M1(x * inv)
		if i%2 == 0 {
			codes[i/2] = c
		} else {
			codes[i/2] |= c << 4
		}
		return DecodeE2M1(c) * step
	}
}

// each goes over the groups of all rows: begin chooses a group's scale and returns what encodes an element.
func (f Feedback) each(w []float32, group int, begin func(at int, values, h []float32) func(float32, int) float32) {
	cols := len(f.Columns)
	rest, values := make([]float64, cols), make([]float32, group)
	for from := 0; from < len(w); from += cols {
		row := w[from : from+cols]
		for i, x := range row {
			rest[i] = float64(x)
		}
		for g := 0; g < cols; g += group {
			for i := range values {
				values[i] = float32(rest[g+i])
			}
			encode := begin(from+g, values, f.Columns[g:g+group])
			for k := g; k < g+group; k++ {
				lost := float64(encode(float32(rest[k]), k-g)) - float64(row[k])
				for j := k + 1; j < cols; j++ {
					rest[j] -= float64(f.Upper[k*cols+j] * lost)
				}
			}
		}
	}
}
