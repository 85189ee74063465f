package layer

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"qimport/internal/untrusted"
	"qimport/quant"
	"qimport/runtime/mlx"
)

// Product is a linear map, or a stack of them, of which the rows stay packed, as the model multiplies by
// them. It is there to be held to its definition: kernels differ by format, shape, and number of rows of
// the input.
type Product struct {
	matrix   Matrix
	compute  Compute
	stacked  bool
	multiply func(s *mlx.Scope, x, ids *mlx.Array) *mlx.Array // x [n, in], ids ascending [n] or nil: [n, out]
}

// Name is that of the tensor, or of those that are one map.
func (p Product) Name() string { return p.matrix.Name }

// Formats lists the formats of the rows, each once, in their order.
func (p Product) Formats() []quant.Format {
	var all []quant.Format
	for _, rows := range p.matrix.Experts {
		for _, r := range rows {
			if f := r.Stored.Tensor.Format; !slices.Contains(all, f) {
				all = append(all, f)
			}
		}
	}
	return all
}

// Kind is format and shape: "nvfp4 [512, 256]", "mxfp4 [8 of 128, 256]" for a stack. Of two products of one
// kind the same kernels are used.
func (p Product) Kind() string {
	var formats []string
	for _, f := range p.Formats() {
		formats = append(formats, f.String())
	}
	shape := fmt.Sprintf("[%d, %d]", p.matrix.Out, p.matrix.In)
	if p.stacked {
		shape = fmt.Sprintf("[%d of %d, %d]", len(p.matrix.Experts), p.matrix.Out, p.matrix.In)
	}
	return strings.Join(formats, "+") + " " + shape
}

// Work is the multiplications of a product with n rows.
func (p Product) Work(n int) int64 { return int64(n) * int64(p.matrix.Out) * int64(p.matrix.In) }

// checkedOutputs is how many outputs of each row of the input are worked out by the definition.
const checkedOutputs = 8

// Off multiplies n rows of random numbers, each with its own expert where there are some, and says how far
// the outputs are from the definition, in units of what rounding allows: up to 1 is right. It is worked out
// in float64 from the decoded rows, for a few outputs of each row of the input.
func (p Product) Off(s *mlx.Scope, n int) (float64, error) {
	rng := rand.New(rand.NewPCG(uint64(n), uint64(p.matrix.In)))
	act := p.compute.Activation()
	x := make([]float32, n*p.matrix.In)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	in := s.AsType(s.FromFloat32(x, n, p.matrix.In), act)
	x = s.Float32s(s.AsType(in, quant.F32)) // as the product is given them
	ids := make([]int32, n)
	var chosen *mlx.Array
	if p.stacked {
		for i := range ids {
			ids[i] = rng.Int32N(int32(len(p.matrix.Experts)))
		}
		slices.Sort(ids)
		chosen = s.FromInt32(ids, n)
	}
	y := s.Float32s(s.AsType(p.multiply(s, in, chosen), quant.F32))
	return p.compare(x, y, ids, act)
}

// compare is the largest difference of y [n, out] from the products of x [n, in] with the experts ids, over
// what is allowed.
func (p Product) compare(x, y []float32, ids []int32, act quant.Dtype) (worst float64, err error) {
	out, in := p.matrix.Out, p.matrix.In
	decoded := map[[2]int][]float32{}
	for i, e := range ids {
		for k := range checkedOutputs {
			o := k * (out - 1) / (checkedOutputs - 1)
			w, ok := decoded[[2]int{int(e), o}]
			if !ok {
				if w, err = p.matrix.row(int(e), o); err != nil {
					return 0, err
				}
				decoded[[2]int{int(e), o}] = w
			}
			worst = max(worst, off(w, x[i*in:][:in], y[i*out+o], act)) // NaN stays
		}
	}
	return worst, nil
}

// off is the difference of y from w x, over what is allowed. Sums in float32 differ in their order, which
// is far less than a ten-thousandth of the sum of all magnitudes. In bf16 the output is rounded, and
// weights may be before they are multiplied, which adds up as random errors do.
func off(w, x []float32, y float32, act quant.Dtype) float64 {
	sum, magnitude, squares := 0.0, 0.0, 0.0
	for i, v := range w {
		term := float64(v) * float64(x[i])
		sum += term
		magnitude += math.Abs(term)
		squares += term * term
	}
	allowed := 1e-4 * magnitude
	if act != quant.F32 {
		allowed = 0x1p-6 * (math.Abs(sum) + math.Sqrt(squares))
	}
	return math.Abs(float64(y)-sum) / (allowed + 1e-30)
}

// row is row o of an expert, decoded.
func (m Matrix) row(e, o int) ([]float32, error) {
	dst := make([]float32, m.In)
	var spare []byte
	for _, r := range cut(m.Experts[e], o, o+1) {
		for _, span := range r.spans() {
			err := untrusted.Guard(func() error {
				return plainRows(floatBytes(dst), span.Tensor, quant.F32, span.From, 1, &spare)
			})
			if err != nil {
				return nil, fmt.Errorf("tensor %s: %w", m.Name, err)
			}
		}
	}
	return dst, nil
}

// Products lists the map's products with packed rows.
func (l *Linear) Products() []Product {
	if l.mapped != nil {
		return []Product{{matrix: l.mapped.matrix, compute: l.compute,
			multiply: func(s *mlx.Scope, x, _ *mlx.Array) *mlx.Array { return l.product(s, x) }}}
	}
	var all []Product
	for _, w := range l.weights {
		if w.packed != nil {
			all = append(all, Product{matrix: w.matrix, compute: w.compute,
				multiply: func(s *mlx.Scope, x, _ *mlx.Array) *mlx.Array { return w.multiply(s, x) }})
		}
	}
	return all
}

// products lists the stack's products with packed rows.
func (e *experts) products() []Product {
	if e.mapped != nil {
		return []Product{{matrix: e.mapped.matrix, compute: e.compute, stacked: true,
			multiply: func(s *mlx.Scope, x, ids *mlx.Array) *mlx.Array {
				n := ids.Shape()[0]
				return s.Reshape(e.choose(s, x, s.Reshape(ids, n, 1)), n, e.mapped.matrix.Out)
			}}}
	}
	var all []Product
	for _, w := range e.weights {
		if w.packed != nil {
			all = append(all, Product{matrix: w.matrix, compute: w.compute, stacked: true, multiply: w.chosen})
		}
	}
	return all
}

// chosen is the stack's product for x [n, in] and ids [n] in the way that MoE uses for so many rows:
// [n, out].
func (w *weight) chosen(s *mlx.Scope, x, ids *mlx.Array) *mlx.Array {
	n, in := x.Dim(0), x.Dim(1)
	if !w.compute.groups(n, 1) {
		y := w.gather(s, s.Reshape(x, n, 1, 1, in), s.Reshape(ids, n, 1))
		return s.Reshape(y, n, w.out)
	}
	g := groupRows(s.Int32s(ids), w.packed.Shape[0], 1)
	return w.compute.spoil(s, g.collect(s, w.multiplyGrouped(s, g, g.take(s, x))))
}

func productsOf(ls ...*Linear) []Product {
	var all []Product
	for _, l := range ls {
		if l != nil {
			all = append(all, l.Products()...)
		}
	}
	return all
}

// Products lists the layer's products with packed rows.
func (a *Attention) Products() []Product { return productsOf(a.in, a.out) }

// Products lists the layer's products with packed rows.
func (d *DeltaNet) Products() []Product { return productsOf(d.in, d.out) }

// Products lists the part's products with packed rows.
func (m *MLP) Products() []Product { return productsOf(m.gateUp, m.down) }

// Products lists the part's products with packed rows.
func (m *MoE) Products() []Product {
	all := append(productsOf(m.router, m.sharedOn), append(m.gateUp.products(), m.down.products()...)...)
	if m.shared != nil {
		all = append(all, m.shared.Products()...)
	}
	return all
}
