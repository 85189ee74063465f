package quant

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"qimport/quant/kernel"
)

// Feedback is what error feedback needs of the inputs of a matrix.
type Feedback = kernel.Feedback

const (
	// damping is what is added to the second moments' diagonal, as a share of its mean: without it, an input that
	// is nothing but a sum of others could be made up for without bounds.
	damping = 0.01
	// factorColumns are factored before the rest hears of them.
	factorColumns = 32
	// factorRows are as many as the rest is cut into, so that little below the diagonal is computed.
	factorRows = 128
	// lossRows of which the output's error is measured at a time.
	lossRows = 64
)

// NewFeedback makes it of second moments [columns, columns], symmetric, for a format of groups of so many columns.
func NewFeedback(moments []float32, columns, group int) (Feedback, error) {
	n := columns
	if len(moments) != n*n {
		return Feedback{}, fmt.Errorf("%d second moments are not those of %d columns", len(moments), n)
	}
	if group <= 0 || n%group != 0 {
		return Feedback{}, fmt.Errorf("%d columns are no groups of %d", n, group)
	}
	f := Feedback{Order: order(moments, n, group), Group: group, Upper: make([]float64, n*n), Columns: make([]float32, n)}
	mean := 0.0
	for i, a := range f.Order {
		row := moments[int(a)*n:][:n]
		for j, b := range f.Order {
			f.Upper[i*n+j] = float64(row[b])
		}
	}
	for i := range n {
		mean += f.Upper[i*n+i] / float64(n)
	}
	if mean == 0 {
		mean = 1
	}
	for i := range n {
		f.Upper[i*n+i] += float64(damping * mean) // the conversion keeps the compiler from fusing
	}
	if err := factor(square(f.Upper, n)); err != nil {
		return Feedback{}, err
	}
	scaleColumns(f, n)
	return f, nil
}

// order is that in which n columns are encoded: groups into which the most goes first, and of each the columns into
// which the most goes. Their errors are then made up for by all others, and those of the last, which nothing makes
// up for, weigh the least. In GPTQ it is called the activation order.
func order(moments []float32, n, group int) []int32 {
	sums, groups, columns := make([]float64, n/group), make([]int, n/group), make([]int32, 0, n)
	for i := range n {
		sums[i/group] += float64(moments[i*n+i])
	}
	for g := range groups {
		groups[g] = g
	}
	slices.SortStableFunc(groups, func(a, b int) int { return cmp.Compare(sums[b], sums[a]) })
	for _, g := range groups {
		for i := range group {
			columns = append(columns, int32(g*group+i))
		}
		slices.SortStableFunc(columns[len(columns)-group:], func(a, b int32) int {
			return cmp.Compare(moments[int(b)*n+int(b)], moments[int(a)*n+int(a)])
		})
	}
	return columns
}

// scaleColumns divides each column of R by its diagonal.
func scaleColumns(f Feedback, n int) {
	diagonal := make([]float64, n)
	for j := range n {
		diagonal[j] = f.Upper[j*n+j]
		f.Columns[f.Order[j]] = float32(math.Min(float64(diagonal[j]*diagonal[j]), math.MaxFloat32))
	}
	for i := range n {
		row := f.Upper[i*n:][:n]
		clear(row[:i])
		row[i] = 1
		for j := i + 1; j < n; j++ {
			row[j] /= diagonal[j]
		}
	}
}

// factor makes h, symmetric, the upper triangular R of h = R R^T, in place, from the last column back. What is
// below the diagonal then has no meaning.
func factor(h kernel.Block) error {
	n := h.Rows
	panel := kernel.Block{Values: make([]float64, factorColumns*n), Rows: factorColumns, Columns: n, Stride: n}
	for end := n; end > 0; {
		begin := max(end-factorColumns, 0)
		for j := end - 1; j >= begin; j-- {
			own := panel.Row(end - 1 - j) // column j, the last one first
			if err := factorColumn(h, own, j); err != nil {
				return err
			}
			at := end - 1 - j
			subtract(h.Part(0, j, begin, j), panel.Part(at, at+1, 0, j), panel.Part(at, at+1, begin, j))
		}
		done := panel.Part(0, end-begin, 0, begin)
		for from := 0; from < begin; from += factorRows {
			to := min(from+factorRows, begin)
			subtract(h.Part(from, to, from, begin), done.Part(0, done.Rows, from, to), done.Part(0, done.Rows, from, begin))
		}
		end = begin
	}
	return nil
}

// factorColumn divides column j by its diagonal's root, and copies what is above that into a row.
func factorColumn(h kernel.Block, own []float64, j int) error {
	pivot := h.Row(j)[j]
	if !(pivot > 0) || math.IsInf(pivot, 0) {
		return errors.New("its second moments have no inverse: no inputs have such; make the calibration anew")
	}
	d := math.Sqrt(pivot)
	h.Row(j)[j] = d
	for i := range j {
		own[i] = h.Row(i)[j] / d
		h.Row(i)[j] = own[i]
	}
	return nil
}

// subtract takes a^T b from d.
func subtract(d, a, b kernel.Block) { kernel.Best().SubtractProduct(d, a, b) }

func square(values []float64, n int) kernel.Block {
	return kernel.Block{Values: values, Rows: n, Columns: n, Stride: n}
}

// EncodeFeedback is Encode with searched scales and error feedback, of whole rows.
func EncodeFeedback(f Format, p Packed, v Values, scale Dtype, by Feedback) error {
	n, err := checkFeedback(f, p, v, scale, by)
	if err != nil {
		return err
	}
	w := make([]float32, n)
	if err := ToFloat32(w, v.Data, v.Dtype); err != nil {
		return err
	}
	switch f.Mode {
	case NVFP4:
		kernel.Best().EncodeNVFP4Feedback(p.Weight, p.Scales, w, p.global(), by)
	case MXFP4:
		kernel.Best().EncodeMXFP4Feedback(p.Weight, p.Scales, w, by)
	case Affine:
		e, _ := scale.elem()
		kernel.Best().EncodeAffineFeedback(p.Weight, p.Scales, p.Biases, w, e, f.Bits, f.GroupSize, by)
	default:
		return fmt.Errorf("%s has no scales to search", f)
	}
	return nil
}

// checkFeedback counts the elements of v, which must be whole rows of whole groups.
func checkFeedback(f Format, p Packed, v Values, scale Dtype, by Feedback) (n int, err error) {
	if n, err = v.count(); err != nil {
		return 0, err
	}
	if err := p.check(f, n, scale); err != nil {
		return 0, err
	}
	columns := len(by.Columns)
	if columns == 0 || n%columns != 0 || by.Group != f.GroupSize || columns%by.Group != 0 || len(by.Upper) != columns*columns || len(by.Order) != columns {
		return 0, fmt.Errorf("%s: feedback of %d columns in groups of %d for %d values", f, columns, by.Group, n)
	}
	return n, nil
}

// MeasureFeedback is MeasureLoss by the error of the output: of each row, the sum over any two columns of their
// errors times their damped second moment. Rows first, first+step and so on are measured, of those that v has.
func MeasureFeedback(f Format, p Packed, scale Dtype, v Values, by Feedback, first, step int) (Loss, error) {
	n, err := checkFeedback(f, p, v, scale, by)
	if err != nil {
		return Loss{}, err
	}
	columns := len(by.Columns)
	var rows []int
	for r := first; r < n/columns; r += step {
		rows = append(rows, r)
	}
	var l Loss
	for from := 0; from < len(rows); from += lossRows {
		some := rows[from:min(from+lossRows, len(rows))]
		signal, lost := outputs(by, len(some)), outputs(by, len(some))
		for i, r := range some {
			w, got, err := rowOf(f, p, scale, v, r*columns, (r+1)*columns)
			if err != nil {
				return Loss{}, err
			}
			for k, c := range by.Order {
				signal.of.Row(k)[i], lost.of.Row(k)[i] = float64(w[c]), float64(got[c])-float64(w[c])
			}
		}
		l = l.Add(Loss{Error: lost.squares(by), Signal: signal.squares(by)})
	}
	return l, nil
}

// rowOf is elements [from, to) as they were and as they were encoded.
func rowOf(f Format, p Packed, scale Dtype, v Values, from, to int) (w, got []float32, err error) {
	w, got = make([]float32, to-from), make([]float32, to-from)
	if err := ToFloat32(w, v.piece(from, to).Data, v.Dtype); err != nil {
		return nil, nil, err
	}
	q := p.Piece(f, scale, from, to)
	t := Tensor{Shape: []int{1, to - from}, Format: f, ScaleDtype: scale, Data: q.Weight, Scales: q.Scales, Biases: q.Biases}
	if f.Mode == NVFP4 {
		t.Global = []float32{p.global()}
	}
	return w, got, t.Decode(got, 0)
}

// output is rows of weights or of their errors, each a column [columns, rows], in the order of a feedback, and what
// comes of them.
type output struct{ of, sum kernel.Block }

func outputs(by Feedback, rows int) output {
	n := len(by.Columns)
	block := func() kernel.Block {
		return kernel.Block{Values: make([]float64, n*rows), Rows: n, Columns: rows, Stride: rows}
	}
	return output{block(), block()}
}

// squares is the sum of |x R|^2 over the rows x.
func (o output) squares(by Feedback) float64 {
	n, rows := o.of.Rows, o.of.Columns
	upper := square(by.Upper, n)
	for from := 0; from < n; from += factorRows {
		to := min(from+factorRows, n)
		subtract(o.sum.Part(from, n, 0, rows), upper.Part(from, to, from, n), o.of.Part(from, to, 0, rows))
	}
	total := 0.0
	for k, c := range by.Order {
		for _, x := range o.sum.Row(k) {
			total += float64(float64(x*x) * float64(by.Columns[c]))
		}
	}
	return total
}
