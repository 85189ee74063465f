package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"qimport/internal/table"
)

// String is the plan as people read it: tensors that differ by their layer only share a line.
func (p Plan) String() string { return p.Text(false, 0) }

// Text is the plan as people read it, with one line for every tensor if all is true. Width is the window's,
// in columns; 0 is no limit.
func (p Plan) Text(all bool, width int) string {
	var s strings.Builder
	rows := [][]string{{"tensor", "count", "shape", "source", "target", "bytes", "decided by"}}
	for _, r := range p.rows(all) {
		rows = append(rows, []string{r.name, strconv.Itoa(r.count), shapeText(r.tensor.Shape),
			r.tensor.Source.String(), r.target(p), humanize.Bytes(uint64(r.bytes)), r.tensor.Rule})
	}
	_ = table.Write(&s, width, rows) // a strings.Builder takes everything
	fmt.Fprintln(&s, p.totalLine())
	fmt.Fprintf(&s, "files: %s\n", strings.Join(p.Files, ", "))
	s.WriteString(p.adapterLines())
	if c := p.Calibration; c != nil {
		fmt.Fprintf(&s, "calibration: %s, of %s over %d tokens\n", c.Digest, c.Model, c.Tokens)
	}
	if len(p.Unasked) > 0 {
		const most = 20
		shown, rest := p.Unasked, ""
		if len(shown) > most {
			shown, rest = shown[:most], fmt.Sprintf(" and %d more", len(p.Unasked)-most)
		}
		fmt.Fprintf(&s, "carried along, though nothing in the model asks for it: %s%s\n", strings.Join(shown, ", "), rest)
	}
	for _, warning := range p.Warnings {
		fmt.Fprintf(&s, "note: %s\n", warning)
	}
	return s.String()
}

func (p Plan) totalLine() string {
	t := p.Totals()
	return fmt.Sprintf("%d tensors in %d blobs: %s read, %s written, %.2f bits a weight",
		t.Tensors, len(p.Blobs), humanize.Bytes(uint64(t.BytesRead)), humanize.Bytes(uint64(t.BytesWritten)), t.BitsPerWeight)
}

// row is one line of the table: tensors that differ in one number of their names only.
type row struct {
	name   string
	count  int
	bytes  int64
	tensor Tensor // the first
}

// target is the format and, where source and target do not tell, how it is reached.
func (r row) target(p Plan) string {
	var how []string
	if fused := p.fusedText(r.tensor); fused != "" {
		how = append(how, fused)
	}
	switch r.tensor.Transform {
	case Expand, Fold, Repack, ChannelsToFront, Turn, Reencode, SubtractOne:
		how = append(how, r.tensor.Transform.String())
	}
	switch {
	case r.tensor.Moments.Known():
		how = append(how, "error feedback")
	case r.tensor.Weights != nil:
		how = append(how, "calibrated scale search")
	case r.tensor.Search:
		how = append(how, "scale search")
	}
	if r.tensor.MakesGlobal() {
		how = append(how, "global scale")
	}
	if how == nil {
		return r.tensor.Target.String()
	}
	return fmt.Sprintf("%s (%s)", r.tensor.Target, strings.Join(how, ", "))
}

func (p Plan) rows(all bool) []row {
	groups := map[string][]int{} // line -> numbers, in the plan's order
	forms := map[string]int{}    // name without its number -> lines it is on
	index := map[string]int{}
	var rows []row
	for _, b := range p.Blobs {
		for _, t := range b.Tensors {
			before, number, after := SplitNumber(t.Name)
			form := before + "*" + after
			key := form + shapeText(t.Shape) + t.Source.String() + t.Target.String() + t.Transform.String() + t.Rule + p.fusedText(t)
			if all || number < 0 {
				key, form = t.Name, t.Name
			}
			i, known := index[key]
			if !known {
				i = len(rows)
				index[key] = i
				rows = append(rows, row{name: form, tensor: t})
				forms[form]++
			}
			rows[i].count++
			rows[i].bytes += t.Bytes
			groups[key] = append(groups[key], number)
		}
	}
	for key, i := range index {
		if forms[rows[i].name] > 1 || rows[i].count == 1 {
			rows[i].name = strings.Replace(rows[i].name, "*", NumbersText(groups[key]), 1)
		}
	}
	return rows
}

// SplitNumber cuts a name at its first part that is a number; -1 if it has none.
func SplitNumber(name string) (before string, number int, after string) {
	parts := strings.Split(name, ".")
	for i, part := range parts {
		if n, err := strconv.Atoi(part); err == nil {
			return strings.Join(parts[:i], ".") + ".", n, "." + strings.Join(parts[i+1:], ".")
		}
	}
	return name, -1, ""
}

// NumbersText writes numbers as a pattern takes them: "7", "{0..2,4..6}".
func NumbersText(numbers []int) string {
	slices.Sort(numbers)
	var runs []string
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		run := strconv.Itoa(numbers[i])
		if j > i {
			run += ".." + strconv.Itoa(numbers[j])
		}
		runs = append(runs, run)
		i = j + 1
	}
	if len(numbers) == 1 {
		return runs[0]
	}
	return "{" + strings.Join(runs, ",") + "}"
}

func shapeText(shape []int) string {
	parts := make([]string, len(shape))
	for i, d := range shape {
		parts[i] = strconv.Itoa(d)
	}
	return strings.Join(parts, "x")
}
