package layer

import "qimport/runtime/mlx"

// deltaRule is the gated delta rule over T tokens in memory of Go, in float32: the chunked form of
// gatedDeltaChunked, but head by head, the heads shared out over all cores. MLX's CPU backend does
// one operation after the other, and most of these are too small for two cores.
type deltaRule struct {
	sizes   DeltaSizes
	tokens  int       // of each sequence
	q, k    []float32 // [B*T, nk*dk]
	v       []float32 // [B*T, nv*dv]
	g, beta []float32 // [B*T, nv]
	state   []float32 // [B, nv, dv, dk], carried on in place
	decay   []float32 // [B, nv]: of the state over the last chunk
}

// run writes the outputs [B*T, nv*dv].
func (r deltaRule) run(o []float32) {
	nv := r.sizes.ValueHeads
	parallel(len(r.decay), func(from, to int) {
		w := newDeltaSpace(r.sizes)
		for head := from; head < to; head++ {
			for at := 0; at < r.tokens; at += chunk {
				first := head/nv*r.tokens + at
				r.chunk(w, o, head, first, min(chunk, r.tokens-at))
			}
		}
	})
}

// deltaSpace is room for the matrices of one chunk.
type deltaSpace struct {
	a, p  mlx.Operand // [C, C]
	d     mlx.Operand // [C, dv]
	since [chunk]float64
}

func newDeltaSpace(z DeltaSizes) *deltaSpace {
	matrix := func(rows, columns int) mlx.Operand {
		return mlx.Operand{Data: make([]float32, rows*columns), Stride: columns}
	}
	return &deltaSpace{a: matrix(chunk, chunk), p: matrix(chunk, chunk), d: matrix(chunk, z.ValueDim)}
}

// chunk carries the state of one value head of one sequence over n tokens, from row first on:
//
//	(I + A) d = beta (v - e^c S k);  o = e^c S q + P d;  S = e^c S + (e^(c_n - c) d)^T k
//
// with c the running sum of g, A = beta e^(c_i - c_j) k_i k_j below the diagonal, and P the same of
// q_i k_j, without beta and with the diagonal.
func (r deltaRule) chunk(w *deltaSpace, o []float32, head, first, n int) {
	z := r.sizes
	nk, nv, dk, dv := z.KeyHeads, z.ValueHeads, z.KeyDim, z.ValueDim
	h := head % nv
	key, value := first*nk*dk+h/(nv/nk)*dk, first*nv*dv+h*dv
	q, k := mlx.Operand{Data: r.q[key:], Stride: nk * dk}, mlx.Operand{Data: r.k[key:], Stride: nk * dk}
	v, out := mlx.Operand{Data: r.v[value:], Stride: nv * dv}, mlx.Operand{Data: o[value:], Stride: nv * dv}
	s := mlx.Operand{Data: r.state[head*dv*dk:][:dv*dk], Stride: dk}

	mlx.Product(n, n, dk, k, transposed(k), 0, w.a)
	mlx.Product(n, n, dk, q, transposed(k), 0, w.p)
	gates := func(x []float32, i int) float32 { return x[(first+i)*nv+h] }
	for i := range n {
		w.since[i] = float64(gates(r.g, i))
		if i > 0 {
			w.since[i] += w.since[i-1]
		}
		w.weigh(i, n, -gates(r.beta, i))
	}

	mlx.Product(n, dv, dk, k, transposed(s), 0, w.d)
	mlx.Product(n, dv, dk, q, transposed(s), 0, out)
	for i := range n {
		since, beta := decayOf(w.since[i]), gates(r.beta, i)
		d, y := w.d.Data[i*dv:][:dv], out.Data[i*out.Stride:][:dv]
		for c, x := range v.Data[i*v.Stride:][:dv] {
			d[c] = beta * (x - since*d[c])
			y[c] *= since
		}
	}
	w.solve(n, dv)
	mlx.Product(n, dv, n, w.p, w.d, 1, out)

	last := w.since[n-1]
	for i := range n {
		left := decayOf(last - w.since[i])
		for c := range dv {
			w.d.Data[i*dv+c] *= left
		}
	}
	r.decay[head] = decayOf(last)
	mlx.Product(dv, dk, n, transposed(w.d), k, r.decay[head], s)
}

// decayOf is e^g, and 0 where that adds nothing to a float32 sum: so small, products would become
// subnormal numbers, with which a processor is many times slower.
func decayOf(g float64) float32 {
	if g < -60 {
		return 0
	}
	return exp32(float32(g))
}

func transposed(o mlx.Operand) mlx.Operand {
	o.Transposed = !o.Transposed
	return o
}

// weigh multiplies row i of the products of keys by their decay and by factor, -beta, and of those
// with the query by their decay. Differences of sums in float64 keep their digits after a strong
// decay, which float32 would lose.
func (w *deltaSpace) weigh(i, n int, factor float32) {
	a, p := w.a.Data[i*chunk:][:n], w.p.Data[i*chunk:][:n]
	for j := range i {
		decay := decayOf(w.since[i] - w.since[j])
		a[j] *= factor * decay
		p[j] *= decay
	}
	clear(p[i+1:])
}

// solve replaces d by the solution of (I + A) d = d, where a holds -A: a few rows at a time, what
// the rows above them contribute as one product.
func (w *deltaSpace) solve(n, dv int) {
	const rows = 16
	d := w.d.Data
	for top := 0; top < n; top += rows {
		end := min(top+rows, n)
		if top > 0 {
			above := mlx.Operand{Data: w.a.Data[top*chunk:], Stride: chunk}
			mlx.Product(end-top, dv, top, above, w.d, 1, mlx.Operand{Data: d[top*dv:], Stride: dv})
		}
		for i := top + 1; i < end; i++ {
			to := d[i*dv:][:dv]
			for j := top; j < i; j++ {
				f, from := w.a.Data[i*chunk+j], d[j*dv:][:dv]
				for c := range to {
					to[c] += f * from[c]
				}
			}
		}
	}
}
