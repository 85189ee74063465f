package calibration

import (
	"fmt"
	"slices"
	"strings"

	"qimport/arch"
	"qimport/convert/source"
	"qimport/quant"
)

// A table of embeddings is looked up in, not multiplied by: it has no input that would tell what its errors cost.
// What they cost is what its readers make of them. The first layer's maps read a row as it is, normed, and nothing
// has been added to it yet; from there on it is a small part of larger sums. Of the relative errors of what these
// maps answer, and of what the table answers as a head where it is one, the mean is a form of second degree in the
// error of a row, as the error of an output is, and it has the place of second moments.

// streamShare is how much an error of a row counts in whichever column it is: later layers read it too, each
// otherwise. Mean KL of the trained fixtures is the same within its noise from 0.05 to 0.3.
const streamShare = 0.1

// tableBody is the body name of the table of embeddings, and firstNorm that of what is between it and its readers.
const (
	tableBody = "embed_tokens.weight"
	firstNorm = "layers.0.input_layernorm.weight"
)

// tableRows are so many of a reader's rows at a time.
const tableRows = 512

// tableOf is the table of a model, and what reads its rows first; no table is one without a shape.
func tableOf(src *source.Source) (table source.Tensor, readers []source.Tensor) {
	for _, t := range src.Inventory().Tensors {
		switch {
		case t.MTP:
		case t.Body == tableBody && t.Role == arch.Embedding && len(t.Shape) == 2:
			table = t
		case readsFirst(t):
			readers = append(readers, t)
		}
	}
	return table, readers
}

// PlaceTable gives the table of embeddings a place for what its errors weigh, in a calibration whose tensors have the
// places of theirs, and returns what that takes of the file. Where nothing will be known of what the first layer reads
// it has none, as without --full.
func (c *Calibration) PlaceTable(src *source.Source) (bytes int64) {
	c.Sort()
	table, readers := tableOf(src)
	if len(table.Shape) == 0 {
		return 0
	}
	in, known := table.Shape[1], c.tensor(tableBody)
	read := slices.ContainsFunc(readers, func(r source.Tensor) bool { return c.readFull(r, in) != nil })
	switch {
	case !read && known != nil:
		known.Full = nil // as a head alone, it would lose more of what is looked up than it gains
	case read && known == nil:
		c.Tensors = append(c.Tensors, Seen(tableBody, in, 1, Room(in, 1)))
		c.Sort()
		return placeOf(1, in)
	case read && known.Full == nil:
		known.Full = Room(in, 1)
		return placeOf(1, in)
	}
	return 0
}

// WeighTable gives the table what its errors weigh, by the second moments of what the first layer reads, which are
// all added by now.
func (w *Writer) WeighTable(src *source.Source) error {
	t := w.c.tensor(tableBody)
	if t == nil || t.Full == nil {
		return nil
	}
	if t.Rows[0] == 0 { // it is no head
		t.Full, t.Rows[0] = nil, w.c.Tokens
	}
	if err := w.c.weighTable(src); err != nil {
		return err
	}
	full, err := t.Full.Matrix(0)
	if err != nil {
		return err
	}
	if err := w.write(w.at[tableBody+meanSuffix], quant.Float32s(t.Mean).Data); err != nil {
		return err
	}
	return w.write(w.at[tableBody+fullSuffix], quant.Float32s(full).Data)
}

// weighTable sets the second moments and the means of a calibration's table.
func (c *Calibration) weighTable(src *source.Source) error {
	table, readers := tableOf(src)
	weighed, err := c.readBy(src, readers, table.Shape[1])
	if err != nil {
		return err
	}
	return c.tensor(tableBody).setWeights(weighed)
}

// readFull are the second moments of what a map of so many columns reads; nil where there are none.
func (c *Calibration) readFull(r source.Tensor, in int) *Squares {
	t, ok := c.Find(r.Body)
	if !ok || t.Full == nil || t.Full.Count != 1 || t.In != in || len(r.Shape) != 2 || r.Shape[1] != in {
		return nil
	}
	return t.Full
}

// readsFirst says whether a map reads rows of the table: it leads into the attention of the first layer.
func readsFirst(t source.Tensor) bool {
	return t.Role == arch.Linear && strings.HasPrefix(t.Body, "layers.0.") && strings.Contains(t.Body, "attn.") &&
		!strings.HasSuffix(t.Body, ".o_proj.weight") && !strings.HasSuffix(t.Body, ".out_proj.weight")
}

// readBy is the mean over the readers of the relative squared error of what they answer, [in, in], for errors
// relative to the root mean square of a row; zeros where they answer nothing.
func (c *Calibration) readBy(src *source.Source, readers []source.Tensor, in int) ([]float64, error) {
	weighed := make([]float64, in*in)
	read := 0
	for _, r := range readers {
		squares := c.readFull(r, in)
		if squares == nil {
			continue
		}
		full, err := squares.Matrix(0)
		if err != nil {
			return nil, err
		}
		products, err := productsOfColumns(src, r)
		if err != nil {
			return nil, err
		}
		power := 0.0 // of what it answers: the sum of products and second moments
		for i, x := range products {
			power += float64(x * float64(full[i]))
		}
		if !(power > 0) {
			continue
		}
		read++
		for i, x := range products {
			weighed[i] += x / power
		}
	}
	gains, err := gainsOf(src, firstNorm)
	if err != nil {
		return nil, err
	}
	if len(gains) != in {
		return nil, fmt.Errorf("%s has %d gains, and the table %d columns: %w", firstNorm, len(gains), in, source.ErrSource)
	}
	for i := range weighed {
		weighed[i] *= float64(gains[i/in]) * float64(gains[i%in]) / float64(max(read, 1))
	}
	return weighed, nil
}

// productsOfColumns are the sums over the rows of a matrix of the products of any two columns.
func productsOfColumns(src *source.Source, t source.Tensor) ([]float64, error) {
	q, err := src.Load(t.Name)
	if err != nil {
		return nil, err
	}
	rows, in := t.Shape[0], t.Shape[1]
	sums, values := make([]float64, in*in), make([]float32, tableRows*in)
	for row := 0; row < rows; row += tableRows {
		some := values[:min(tableRows, rows-row)*in]
		if err := src.Guard(func() error { return q.Decode(some, row) }); err != nil {
			return nil, err
		}
		quant.AddProducts(sums, some, in)
	}
	return sums, nil
}

// setWeights gives a table what its errors weigh, with its second moments as a head where it has any. The mean over
// columns becomes 1.
func (t *Tensor) setWeights(read []float64) error {
	n := t.In
	if t.Full != nil {
		head, err := t.Full.Matrix(0)
		if err != nil {
			return err
		}
		trace := 0.0
		for i := range n {
			trace += float64(head[i*n+i])
		}
		for i, x := range head {
			if trace > 0 {
				read[i] += float64(x) / trace // errors relative to rows that go with no column of the input
			}
		}
	}
	mean := 0.0
	for i := range n {
		mean += read[i*n+i] / float64(n)
	}
	share := 1 - streamShare
	if !(mean > 0) { // nobody is known to read it
		mean, share = 1, 0
	}
	full := make([]float32, n*n)
	t.Full, t.Mean = inMemory(n, full), make([]float32, n)
	for i := range n {
		for j := range i + 1 {
			x := read[j*n+i] / mean * share
			if i == j {
				x += 1 - share
				t.Mean[i] = float32(x)
			}
			full[i*n+j], full[j*n+i] = float32(x), float32(x)
		}
	}
	return nil
}

// withoutLoneTable are parts that are joined, without the table where not all have it: only --full knows one that
// is no head.
func withoutLoneTable(parts []*Calibration) []*Calibration {
	lacks := func(c *Calibration) bool { _, ok := c.Find(tableBody); return !ok }
	if !slices.ContainsFunc(parts, lacks) {
		return parts
	}
	out := make([]*Calibration, len(parts))
	for i, p := range parts {
		bare := *p
		bare.Tensors = slices.DeleteFunc(slices.Clone(p.Tensors), func(t Tensor) bool { return t.Name == tableBody })
		out[i] = &bare
	}
	return out
}
