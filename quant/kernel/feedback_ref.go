package kernel

import "math"

// Error feedback from column to column (GPTQ, here in the form without an inverse): a column is not rounded to
// what it was, but to what makes up for the errors of the columns before it. A group's scale is searched when its
// turn comes, by what its weights have then become. Groups stay whole, whatever their order.

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
		s, b = fitAffine(values, h, scale.load(scales, g), scale.load(biases, g), top, scale)
		scale.store(scales, g, s)
		scale.store(biases, g, b)
		left := group
		return func(x float32, i int) (decoded float32) {
			picked[i], decoded = affineFeedback(x, s, b, top)
			if left--; left == 0 {
				packBits(codes[g*size:][:size], picked, bits, pickedCode)
			}
			return decoded
		}
	})
}

// fitAffine is the scale and bias, rounded to type e, of least squared error for the codes that the given ones pick,
// where less is lost by them. The search keeps the end of the range where it was; this does not.
func fitAffine(w, h []float32, scale, bias, top float32, e Elem) (s, b float32) {
	s, b = leastSquares(w, h, scale, bias, top)
	s, b = e.round(s), e.round(b)
	if s == 0 || !finite(s) || !finite(b) || !(affineLoss(w, h, s, b, s, b, top) < affineLoss(w, h, scale, bias, scale, bias, top)) {
		return scale, bias
	}
	return s, b
}

// leastSquares is the line of least weighted squared error from the codes of w under a scale and bias to w; the scale
// is 0 where all codes are the same. Every product is rounded by itself, on every machine.
func leastSquares(w, h []float32, scale, bias, top float32) (s, b float32) {
	var n, q, qq, x, qx float64
	for i, v := range w {
		code, weight := float64(affineCode(float32(v-bias)/scale, top)), float64(h[i])
		part := float64(weight * code)
		n += weight
		q += part
		qq += float64(part * code)
		x += float64(weight * float64(v))
		qx += float64(part * float64(v))
	}
	d := float64(n*qq) - float64(q*q)
	if !(d > 0) {
		return 0, 0
	}
	return float32((float64(n*qx) - float64(q*x)) / d), float32((float64(qq*x) - float64(q*qx)) / d)
}

func finite(x float32) bool { return x-x == 0 }

// affineFeedback is the code of x, as a float, and what it decodes to.
func affineFeedback(x, s, b, top float32) (code, decoded float32) {
	code = float32(affineCode(float32(x-b)/s, top))
	return code, float32(code*s) + b
}

func pickedCode(q float32) uint64 { return uint64(q) }

// e2m1Feedback writes the codes of a group one by one and says what each has become.
func e2m1Feedback(codes []byte, inv, step float32) func(float32, int) float32 {
	return func(x float32, i int) float32 {
		c, shift := EncodeE2M1(x*inv), i%2*4
		codes[i/2] = codes[i/2]&^(15<<shift) | c<<shift
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
			first := f.first(g)
			for i := range values {
				values[i] = float32(rest[first+i])
			}
			encode := begin(from+first, values, f.Columns[first:first+group])
			for k := g; k < g+group; k++ {
				c := int(f.Order[k])
				lost := float64(encode(float32(rest[c]), c-first)) - float64(row[c])
				for j := k + 1; j < cols; j++ {
					rest[f.Order[j]] -= float64(f.Upper[k*cols+j] * lost)
				}
			}
		}
	}
}
