package calibration

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// ErrCalibration marks a file that is no calibration, is damaged, or is that of another model.
var ErrCalibration = errors.New("calibration refused")

// Calibration is what was seen of a model's inputs.
type Calibration struct {
	Model   string    // that was run, for people
	Text    string    // what was read: the digests of the texts, joined by a comma
	Tokens  int64     // of the text
	Norm    []float32 // gains of the model's last norm, by which a model is known again
	Tensors []Tensor  // by name
	Digest  string    // of the file, "sha256:…"; "" before it is written
	File    string    // where it was read from, for errors
}

// Tensor is what goes into one tensor's rows. A plain matrix is one expert.
type Tensor struct {
	Name string    // the body's, without a prefix: "layers.3.self_attn.q_proj.weight"
	In   int       // columns
	Rows []int64   // of input that were seen, by expert
	Mean []float32 // of the squares of each column, [experts, In]; 0 of an expert that was never chosen
	// Full is the mean of the products of any two columns; nil where it was not measured. It is one matrix over all
	// rows, or one for each expert where each expert's input is in a basis of its own: over its own rows, and 0 of one
	// that was never chosen.
	Full *Squares
}

// New makes the moments of a tensor from sums of squares, by expert.
func New(name string, in int, rows []int64, sums [][]float64) Tensor {
	t := Tensor{Name: name, In: in, Rows: slices.Clone(rows)}
	for e, sum := range sums {
		for _, s := range sum {
			t.Mean = append(t.Mean, float32(s/float64(max(rows[e], 1))))
		}
	}
	return t
}

// WithFull adds sums of the products of any two columns over a number of rows: one matrix for all, or one for each
// expert, nil for one without rows. No sums add nothing. Sums below the diagonal are taken to be those above it,
// from which rounding may have moved them.
func (t Tensor) WithFull(sums [][]float64, rows []int64) Tensor {
	if len(sums) == 0 {
		return t
	}
	n := t.In
	full := make([]float32, len(sums)*n*n)
	for e, own := range sums {
		if own != nil {
			meanSquares(full[e*n*n:][:n*n], own, n, rows[e])
		}
	}
	t.Full = inMemory(n, full)
	return t
}

// apart says whether each expert has second moments of its own.
func (t Tensor) apart() bool { return t.Full != nil && t.Full.Count > 1 }

// Sort puts tensors in the order of a file.
func (c *Calibration) Sort() {
	slices.SortFunc(c.Tensors, func(a, b Tensor) int { return strings.Compare(a.Name, b.Name) })
}

// Find is the tensor of a name.
func (c *Calibration) Find(name string) (Tensor, bool) {
	if t := c.tensor(name); t != nil {
		return *t, true
	}
	return Tensor{}, false
}

// tensor is that of a name, to be changed; nil for none.
func (c *Calibration) tensor(name string) *Tensor {
	i, ok := slices.BinarySearchFunc(c.Tensors, name, func(t Tensor, name string) int { return strings.Compare(t.Name, name) })
	if !ok {
		return nil
	}
	return &c.Tensors[i]
}

// Unchosen counts the experts that the text never chose, and all of them.
func (c *Calibration) Unchosen() (never, all int) {
	for _, t := range c.Tensors {
		if len(t.Rows) < 2 {
			continue
		}
		for _, n := range t.Rows {
			all++
			if n == 0 {
				never++
			}
		}
	}
	return never, all
}

// check holds a calibration to what any has: numbers that are finite and not negative, as many as its shapes
// say, names that come once. Second moments are looked at where they are read and written.
func (c *Calibration) check() error {
	if len(c.Tensors) == 0 {
		return errors.New("it holds no tensors")
	}
	if len(c.Norm) == 0 {
		return errors.New("it does not say of which model it is: it has no norm")
	}
	if i := slices.IndexFunc(c.Norm, bad); i >= 0 {
		return fmt.Errorf("its norm has the value %g", c.Norm[i])
	}
	if c.Tokens < 0 {
		return fmt.Errorf("it is of %d tokens", c.Tokens)
	}
	for i, t := range c.Tensors {
		if i > 0 && t.Name == c.Tensors[i-1].Name {
			return fmt.Errorf("tensor %s is there twice", t.Name)
		}
		if err := t.check(); err != nil {
			return fmt.Errorf("tensor %s: %w", t.Name, err)
		}
	}
	return nil
}

func (t Tensor) check() error {
	if t.In <= 0 || len(t.Rows) == 0 || len(t.Mean)%t.In != 0 || len(t.Mean)/t.In != len(t.Rows) {
		return fmt.Errorf("%d numbers are not %d columns of %d experts", len(t.Mean), t.In, len(t.Rows))
	}
	for e, n := range t.Rows {
		if n < 0 {
			return fmt.Errorf("expert %d was chosen %d times", e, n)
		}
	}
	for i, x := range t.Mean {
		if bad(x) || x < 0 {
			return fmt.Errorf("the mean square of column %d is %g", i%t.In, x)
		}
	}
	if f := t.Full; f != nil && (f.Columns != t.In || f.Count != 1 && f.Count != len(t.Rows)) {
		return fmt.Errorf("%d second moments of %d columns are not those of %d columns, nor of %d experts", f.Count, f.Columns, t.In, len(t.Rows))
	}
	return nil
}

func bad(x float32) bool { return math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) }

// Join is the calibration of all texts together, in whatever order: means by how many rows they are of. Parts
// of different models, and of differently stored ones, are refused.
func Join(parts ...*Calibration) (*Calibration, error) {
	if len(parts) == 0 {
		return nil, fmt.Errorf("%w: there is nothing to join", ErrCalibration)
	}
	parts = slices.Clone(withoutLoneTable(parts))
	slices.SortStableFunc(parts, func(a, b *Calibration) int { // sums of floats have an order
		return cmp.Or(strings.Compare(a.Text, b.Text), strings.Compare(a.Digest, b.Digest))
	})
	first := parts[0]
	all := &Calibration{Model: first.Model, Norm: first.Norm}
	var texts []string
	for _, p := range parts {
		if err := first.sameModel(p); err != nil {
			return nil, err
		}
		all.Tokens += p.Tokens
		texts = append(texts, strings.Split(p.Text, ",")...)
	}
	slices.Sort(texts)
	all.Text = strings.Join(texts, ",")
	joined := map[string]*Squares{} // second moments that tensors of a part share they share in the sum
	for i := range first.Tensors {
		var same []Tensor
		for _, p := range parts {
			same = append(same, p.Tensors[i])
		}
		t, key := join(same), fullKey(same)
		if _, done := joined[key]; !done {
			joined[key] = joinFull(same)
		}
		t.Full = joined[key]
		all.Tensors = append(all.Tensors, t)
	}
	return all, nil
}

// sameModel refuses another model's calibration.
func (c *Calibration) sameModel(o *Calibration) error {
	same := func(a, b Tensor) bool { return a.Name == b.Name && a.In == b.In && len(a.Rows) == len(b.Rows) }
	if !c.isNorm(o.Norm) || !slices.EqualFunc(c.Tensors, o.Tensors, same) {
		return fmt.Errorf("%w: %s is of %s, and %s of another model, %s", ErrCalibration,
			cmp.Or(c.File, "the first"), c.Model, cmp.Or(o.File, "the other"), o.Model)
	}
	return nil
}

// join adds the moments of one tensor over parts.
func join(parts []Tensor) Tensor {
	t := Tensor{Name: parts[0].Name, In: parts[0].In, Rows: make([]int64, len(parts[0].Rows)), Mean: make([]float32, len(parts[0].Mean))}
	for e := range t.Rows {
		for _, p := range parts {
			t.Rows[e] += p.Rows[e]
		}
		for i := e * t.In; i < (e+1)*t.In; i++ {
			sum := 0.0
			for _, p := range parts {
				sum += float64(p.Mean[i]) * float64(p.Rows[e])
			}
			t.Mean[i] = float32(sum / float64(max(t.Rows[e], 1)))
		}
	}
	return t
}

// fullKey tells apart what joinFull makes of parts.
func fullKey(parts []Tensor) string {
	var key strings.Builder
	for _, p := range parts {
		fmt.Fprintf(&key, "%p %v,", p.Full, p.Rows)
	}
	return key.String()
}

// joinFull adds the second moments of one tensor over parts, when they are asked for: nil where a part has none, or has
// them of all experts together where another has each expert's.
func joinFull(parts []Tensor) *Squares {
	first := parts[0]
	if slices.ContainsFunc(parts, func(p Tensor) bool { return p.Full == nil || p.Full.Count != first.Full.Count }) {
		return nil
	}
	return &Squares{Count: first.Full.Count, Columns: first.In, matrix: func(i int) ([]float32, error) {
		return joinMatrix(parts, i)
	}}
}

// joinMatrix is the mean of one matrix of each part by how many rows it is of.
func joinMatrix(parts []Tensor, i int) ([]float32, error) {
	sums, rows := make([]float64, parts[0].In*parts[0].In), 0.0
	for _, p := range parts {
		full, err := p.Full.Matrix(i)
		if err != nil {
			return nil, err
		}
		own := 0.0
		for e, n := range p.Rows {
			if !p.apart() || e == i {
				own += float64(n)
			}
		}
		rows += own
		for k, x := range full {
			sums[k] += float64(x) * own
		}
	}
	out := make([]float32, len(sums))
	for k, s := range sums {
		out[k] = float32(s / math.Max(rows, 1))
	}
	return out, nil
}

// FullCount counts the tensors whose second moments were measured.
func (c *Calibration) FullCount() int {
	n := 0
	for _, t := range c.Tensors {
		if t.Full != nil {
			n++
		}
	}
	return n
}
