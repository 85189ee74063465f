package calibration

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"qimport/convert/safetensors"
	"qimport/internal/replace"
	"qimport/quant"
)

// Writer is a calibration's file while it is written, tensor by tensor in whatever order, so that nothing of them
// stays in memory. It takes its name when it is whole.
type Writer struct {
	c    *Calibration // the means and second moments of its tensors are in the file alone
	path string
	f    *replace.File
	at   map[string]int64   // byte of each entry
	full map[*Squares]int64 // byte of each one's matrices
	seen map[*Squares][]int64
	size int64
}

// Create begins the file of a calibration whose tensors are given by Seen.
func Create(path string, c *Calibration) (*Writer, error) {
	c.Sort()
	owners := c.owners()
	h, err := c.header(owners)
	if err != nil {
		return nil, err
	}
	w := &Writer{c: c, path: path, at: map[string]int64{}, full: map[*Squares]int64{}, seen: map[*Squares][]int64{}, size: h.FileSize()}
	for _, t := range h.Tensors {
		w.at[t.Name] = h.DataStart + t.Begin
	}
	for _, t := range c.Tensors {
		if _, shared := owners[t.Name]; t.Full != nil && !shared {
			at := w.at[t.Name+fullSuffix]
			w.full[t.Full], w.seen[t.Full] = at, make([]int64, t.Full.Count)
		}
	}
	if w.f, err = replace.New(path, replace.Shared); err != nil {
		return nil, fmt.Errorf("calibration %s: %w", filepath.Base(path), err)
	}
	for full, at := range w.full {
		if full.matrix == nil { // what is added can be read at once
			full.matrix = matricesAt(w.f, at, full.Columns)
		}
	}
	err = w.f.Truncate(w.size) // what is not written is zeros
	if err == nil {
		err = w.write(0, h.Append(nil))
	}
	if err != nil {
		_ = w.f.Drop()
		return nil, err
	}
	return w, nil
}

// Seen is a tensor of a file that is being written, of which nothing was seen yet; full are its second moments, for
// which Room is.
func Seen(name string, in, experts int, full *Squares) Tensor {
	return Tensor{Name: name, In: in, Rows: make([]int64, experts), Full: full}
}

// Room are second moments that are still to be measured.
func Room(columns, matrices int) *Squares { return &Squares{Count: matrices, Columns: columns} }

// Add adds sums of squares of each column over rows, by expert, to what a tensor has. It may be called again, for
// another part of the text.
func (w *Writer) Add(name string, rows []int64, sums [][]float64) error {
	t := w.c.tensor(name)
	if t == nil || len(rows) != len(t.Rows) {
		return fmt.Errorf("%d experts of %s are not those of the calibration", len(rows), name)
	}
	mean := make([]float32, t.In)
	for e, own := range sums {
		at := w.at[name+meanSuffix] + 4*int64(e)*int64(t.In)
		if err := w.before(at, mean, t.Rows[e]); err != nil {
			return err
		}
		all := float64(max(t.Rows[e]+rows[e], 1))
		for i, sum := range own {
			mean[i] = float32((float64(mean[i])*float64(t.Rows[e]) + sum) / all)
		}
		if err := w.write(at, quant.Float32s(mean).Data); err != nil {
			return err
		}
		t.Rows[e] += rows[e]
	}
	return nil
}

// AddFull adds sums of the products of any two columns over rows, by matrix, to second moments, as Add does; nil of
// one without rows.
func (w *Writer) AddFull(full *Squares, sums [][]float64, rows []int64) error {
	begin, known := w.full[full]
	if !known || len(sums) != full.Count {
		return fmt.Errorf("%d second moments are not those of the calibration", len(sums))
	}
	n, seen := full.Columns, w.seen[full]
	next, old := make([]float32, n*n), []float32(nil)
	for e, own := range sums {
		if own == nil || rows[e] == 0 {
			continue
		}
		at := begin + placeOf(e, n)
		meanSquares(next, own, n, rows[e])
		if seen[e] > 0 {
			if old == nil {
				old = make([]float32, n*n)
			}
			if err := w.before(at, old, seen[e]); err != nil {
				return err
			}
			all := float64(seen[e] + rows[e])
			for i, x := range next {
				next[i] = float32((float64(old[i])*float64(seen[e]) + float64(x)*float64(rows[e])) / all)
			}
		}
		if err := w.write(at, quant.Float32s(next).Data); err != nil {
			return err
		}
		seen[e] += rows[e]
	}
	return nil
}

// before reads what was written before over some rows; nothing is zeros.
func (w *Writer) before(at int64, means []float32, rows int64) error {
	if rows == 0 {
		clear(means)
		return nil
	}
	_, err := w.f.ReadAt(quant.Float32s(means).Data, at)
	return err
}

func (w *Writer) write(at int64, b []byte) error {
	_, err := w.f.WriteAt(b, at)
	return err
}

// Place ends the file, reads it as any reader does, and gives it its name. It returns what was read.
func (w *Writer) Place() (*Calibration, error) {
	var rows []byte
	for _, t := range w.c.Tensors {
		rows = rows[:0]
		for _, n := range t.Rows {
			rows = binary.LittleEndian.AppendUint64(rows, uint64(n))
		}
		if err := w.write(w.at[t.Name+rowsSuffix], rows); err != nil {
			return nil, err
		}
	}
	if err := w.write(w.at[normName], quant.Float32s(w.c.Norm).Data); err != nil {
		return nil, err
	}
	placed := &later{path: w.path}
	c, err := read(w.f, w.size, placed)
	if err != nil {
		return nil, fmt.Errorf("calibration: %w", err)
	}
	if err := w.f.Place(); err != nil {
		return nil, err
	}
	c.File = w.path
	placed.info, err = os.Stat(w.path)
	return c, err
}

// Drop gives the file up. Once it is in its place that does nothing.
func (w *Writer) Drop() error { return w.f.Drop() }

// Write puts the file in place, whole or not at all, and notes its digest.
func (c *Calibration) Write(path string) error {
	c.Sort()
	if err := c.check(); err != nil {
		return fmt.Errorf("calibration: %w", err)
	}
	w, err := Create(path, c)
	if err != nil {
		return err
	}
	defer func() { _ = w.Drop() }() // after the file is in place it does nothing
	for _, t := range c.Tensors {
		if err := w.write(w.at[t.Name+meanSuffix], quant.Float32s(t.Mean).Data); err != nil {
			return err
		}
	}
	for full, at := range w.full {
		for i := range full.Count {
			own, err := full.Matrix(i)
			if err != nil {
				return err
			}
			if err := w.write(at+placeOf(i, full.Columns), quant.Float32s(own).Data); err != nil {
				return err
			}
		}
	}
	written, err := w.Place()
	if err != nil {
		return err
	}
	c.Digest, c.File = written.Digest, path
	return nil
}

// header is that of a calibration, whose numbers it does not need.
func (c *Calibration) header(owners map[string]string) (safetensors.Header, error) {
	all := []safetensors.Tensor{{Name: normName, Dtype: quant.F32, Shape: []int{len(c.Norm)}}}
	for _, t := range c.Tensors {
		shape := []int{t.In}
		if len(t.Rows) > 1 {
			shape = []int{len(t.Rows), t.In}
		}
		all = append(all, safetensors.Tensor{Name: t.Name + meanSuffix, Dtype: quant.F32, Shape: shape},
			safetensors.Tensor{Name: t.Name + rowsSuffix, Dtype: quant.I64, Shape: []int{len(t.Rows)}})
		if _, shared := owners[t.Name]; t.Full != nil && !shared {
			square := []int{t.In, t.In}
			if t.apart() {
				square = slices.Insert(square, 0, len(t.Rows))
			}
			all = append(all, safetensors.Tensor{Name: t.Name + fullSuffix, Dtype: quant.F32, Shape: square})
		}
	}
	metadata := map[string]string{
		"calibration": version, "model": c.Model, "text": c.Text, "tokens": strconv.FormatInt(c.Tokens, 10),
	}
	if len(owners) > 0 {
		b, err := json.Marshal(owners) // in the order of the names
		if err != nil {
			return safetensors.Header{}, err
		}
		metadata[sameKey] = string(b)
	}
	return safetensors.New(metadata, all)
}
