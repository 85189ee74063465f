package kernel

import "math"

// Error feedback from column to column (GPTQ): the error of a column is made up for by the columns that come
// after it in the row, as far as their inputs go together. What goes together is told by the upper triangle U
// [columns, columns], row-major, of the Cholesky factor of the inverse of the inputs' second moments: the error
// of column j, divided by U[j,j], times U[j,k] is taken from column k. A group's scale is searched when its turn
// comes, by what the weights have then become.

// Feedback is what error feedback needs of a matrix.
type Feedback struct {
	Upper   []float64 // [columns, columns]
	Columns []float32 // what an error of each column weighs in the search for scales
}

// EncodeNVFP4Feedback encodes rows w [n, columns] in place of EncodeNVFP4; w is used up.
func EncodeNVFP4Feedback(codes, scales []byte, w []float32, global float32, f Feedback) {
	enc := 1 / global
	f.each(w, nvfp4Group, func(at int, group, h []float32) func(float32, int) float32 {
		g := at / nvfp4Group
		code := e4m3Magnitude(math.Float32bits(float32(maxAbs(group)/6)*enc) & absMask)
		code = searchE4M3(group, h, code, global)
		scales[g] = code
		return e2m1Feedback(codes[g*nvfp4Group/2:], nvfp4Inverse(code, enc), DecodeE4M3(code)*global)
	})
}

// EncodeMXFP4Feedback encodes rows w [n, columns] in place of EncodeMXFP4; w is used up.
func EncodeMXFP4Feedback(codes, scales []byte, w []float32, f Feedback) {
	f.each(w, mxGroup, func(at int, group, h []float32) func(float32, int) float32 {
		g := at / mxGroup
		scales[g] = searchE8M0(group, h, EncodeE8M0(maxAbs(group)/6))
		s := DecodeE8M0(scales[g])
		return e2m1Feedback(codes[g*mxGroup/2:], 1/s, s)
	})
}

// EncodeAffineFeedback encodes rows w [n, columns] in place of EncodeAffine; w is used up.
func EncodeAffineFeedback(codes, scales, biases []byte, w []float32, scale Elem, bits, group int, f Feedback) {
	top, size := float32(int(1)<<bits-1), group*bits/8
	picked := make([]float32, group)
	f.each(w, group, func(at int, values, h []float32) func(float32, int) float32 {
		g := at / group
		s, b := affineScale(values, top)
		s, b = searchAffine(values, h, s, b, top, scale)
		scale.store(scales, g, s)
		scale.store(biases, g, b)
		ds, db := scale.load(scales, g), scale.load(biases, g)
		return func(x float32, i int) float32 {
			q := affineCode(float32(x-b)/s, top)
			picked[i] = float32(q)
			if i == group-1 {
				packBits(codes[g*size:][:size], picked, bits, func(q float32) uint64 { return uint64(q) })
			}
			return float32(float32(float32(q)*ds) + db)
		}
	})
}

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
	rest := make([]float64, cols)
	for from := 0; from < len(w); from += cols {
		row := w[from : from+cols]
		for i, x := range row {
			rest[i] = float64(x)
		}
		for g := 0; g < cols; g += group {
			for i := g; i < g+group; i++ {
				row[i] = float32(rest[i])
			}
			encode := begin(from+g, row[g:g+group], f.Columns[g:g+group])
			for i := g; i < g+group; i++ {
				x := float32(rest[i])
				u := f.Upper[i*cols : (i+1)*cols]
				off := (rest[i] - float64(encode(x, i-g))) / u[i]
				for k := i + 1; k < cols; k++ {
					rest[k] -= float64(off * u[k])
				}
			}
		}
	}
}
