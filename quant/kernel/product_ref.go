package kernel

import "math"

// The definition of a product: each row decoded by the definition, products and sums in float64, which
// is rounded to float32 once.

// multiplyRef multiplies the columns of x, one an id, by the expert of that id.
func (m *Matrix) multiplyRef(y, x []float32, ids []uint32) {
	clear(y)
	each := eachID(m.In, x, ids)
	columns := make([][]int, len(m.experts))
	for c, e := range ids {
		if int(e) < len(columns) {
			columns[e] = append(columns[e], c)
		}
	}
	w := make([]float32, m.In)
	for e, mine := range columns {
		if len(mine) == 0 {
			continue
		}
		m.rows(e, func(o int, r *Rows, i int) {
			r.decode(&reference, w, i)
			for _, c := range mine {
				y[c*m.Out+o] = float32(dot64(w, x[c/each*m.In:]))
			}
		})
	}
}

// rows calls f for each row o of an expert, with where it lies.
func (m *Matrix) rows(e int, f func(o int, r *Rows, i int)) {
	o := 0
	for k := range m.experts[e] {
		r := &m.experts[e][k]
		for i := range r.N {
			f(o, r, i)
			o++
		}
	}
}

func dot64(w, x []float32) (sum float64) {
	for i, v := range w {
		sum += float64(float64(v) * float64(x[i])) // exact; the conversion keeps the compiler from fusing
	}
	return sum
}

// find is where row o of an expert lies.
func (m *Matrix) find(e, o int) (r *Rows, i int) {
	for k := range m.experts[e] {
		if r = &m.experts[e][k]; o < r.N {
			return r, o
		}
		o -= r.N
	}
	return nil, 0
}

// decodeRef writes rows of the stack as one matrix, zeros for what is outside.
func (m *Matrix) decodeRef(y []float32, ids []int32) {
	for k, id := range ids {
		dst := y[k*m.In:][:m.In]
		if id < 0 || int(id) >= m.Out*len(m.experts) {
			clear(dst)
			continue
		}
		r, i := m.find(int(id)/m.Out, int(id)%m.Out)
		r.decode(&reference, dst, i)
	}
}

// Row is a row by the definition, and what the errors of its elements go by.
type Row struct {
	w    []float32
	size []float64
}

// Row is row o of expert e.
func (m *Matrix) Row(e, o int) Row {
	r, i := m.find(e, o)
	row := Row{make([]float32, m.In), make([]float64, m.In)}
	r.decode(&reference, row.w, i)
	for k, v := range row.w {
		row.size[k] = r.magnitude(v, i, k, m.In)
	}
	return row
}

// Times is the product with a column, as defined, and the bound: every version's result is within it.
//
// The bound is (in/16 + 320)*2^-24 * sum(|w||x|) + 2^-126, where |w| of an affine row is |code*scale| +
// |bias|. A sum's error is at most u = 2^-24 of the sum of magnitudes for each addition that a term goes
// through, the first order of u. Versions add in at least 16 partial sums along a row, or in pieces of
// at most 256 terms that are added up, at most in/16 + 256 + 24 additions; the rest is for the rounding
// of the values themselves, of scales times global scale, and for the result's own. To it comes, for
// each 64 elements from a multiple of 64 on, 1.01*2^-23 * max(|x|) * sum(|w|): a version may take the x
// of such a block as whole multiples of one unit (product_digits.h).
func (r Row) Times(x []float32) (y float32, bound float64) {
	sum, units := 0.0, 0.0
	for from := 0; from < len(r.size); from += 64 {
		weights, most := 0.0, 0.0
		for k := from; k < min(from+64, len(r.size)); k++ {
			v := math.Abs(float64(x[k]))
			sum += r.size[k] * v
			weights += r.size[k]
			most = max(most, v)
		}
		units += weights * most
	}
	u := 0x1p-24 * (float64(len(r.w))/16 + 320)
	return float32(dot64(r.w, x)), u*sum + 1.01*0x1p-23*units + 0x1p-126
}

// magnitude is what the error of element k of row i, of value v, goes by.
func (r *Rows) magnitude(v float32, i, k, in int) float64 {
	if r.Layout != Affine {
		return math.Abs(float64(v))
	}
	b := float64(r.Elem.load(r.Biases, i*(in/r.Group)+k/r.Group))
	return math.Abs(float64(v)-b) + math.Abs(b)
}
