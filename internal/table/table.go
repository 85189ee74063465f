// Package table writes tables for people: as wide as their content where nobody says how much room there
// is, and within a window's columns where it is known.
//
// It must not know what is in a table, or where it is written to.
package table

import (
	"io"
	"strings"

	"github.com/mattn/go-runewidth"
)

// gap is between two columns, in spaces; a row's second line is set in as far.
const gap = 2

// narrowest is the least room, in columns, in which text is broken into lines of its own.
const narrowest = 24

// Write writes rows of cells under each other. Width is the window's, in columns; 0 is no limit. Where a
// row is wider, its last cell goes on under itself; where that leaves too little room for it, the first
// cell of every row gets a line of its own, so that names stay whole. No word is broken.
func Write(w io.Writer, width int, rows [][]string) error {
	var b strings.Builder
	columns := widths(rows)
	switch last := width - sum(columns[:max(len(columns)-1, 0)]); {
	case width <= 0 || sum(columns)-gap <= width:
		for _, r := range rows {
			writeRow(&b, r, columns, 0, 0)
		}
	case last >= narrowest:
		for _, r := range rows {
			writeRow(&b, r, columns, 0, last)
		}
	default:
		writeStacked(&b, width, rows)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeStacked puts the first cell of every row above the others.
func writeStacked(b *strings.Builder, width int, rows [][]string) {
	rest := make([][]string, len(rows))
	for i, r := range rows {
		rest[i] = r[min(1, len(r)):]
	}
	columns := widths(rest)
	last := max(width-gap-sum(columns[:max(len(columns)-1, 0)]), narrowest)
	for i, r := range rows {
		if len(r) > 0 {
			writeRow(b, r[:1], nil, 0, 0)
		}
		if len(rest[i]) > 0 {
			writeRow(b, rest[i], columns, gap, last)
		}
	}
}

// writeRow writes one row, set in by some spaces. Its last cell goes on under itself after so many columns;
// 0 is no limit.
func writeRow(b *strings.Builder, cells []string, columns []int, in, last int) {
	line := strings.Repeat(" ", in)
	for i, cell := range cells {
		if i < len(cells)-1 {
			line += cell + strings.Repeat(" ", columns[i]-runewidth.StringWidth(cell))
			continue
		}
		room := last
		if i < len(columns)-1 { // a short row may use the columns that it has not
			room = 0
		}
		under := "\n" + strings.Repeat(" ", runewidth.StringWidth(line))
		line += strings.Join(wrap(cell, room), under)
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
}

// widths are the columns' widths, with the gap after each.
func widths(rows [][]string) []int {
	var columns []int
	for _, r := range rows {
		for i, cell := range r {
			if i == len(columns) {
				columns = append(columns, 0)
			}
			columns[i] = max(columns[i], runewidth.StringWidth(cell)+gap)
		}
	}
	return columns
}

func sum(columns []int) int {
	total := 0
	for _, c := range columns {
		total += c
	}
	return total
}

// wrap breaks a text at its spaces into lines of so many columns at most, but for a word that is longer.
func wrap(text string, width int) []string {
	if width <= 0 || runewidth.StringWidth(text) <= width {
		return []string{text}
	}
	var lines []string
	line, used := "", 0
	for word := range strings.SplitSeq(text, " ") {
		n := runewidth.StringWidth(word)
		if line != "" && used+1+n > width {
			lines, line, used = append(lines, line), "", 0
		}
		if line != "" {
			line, used = line+" ", used+1
		}
		line, used = line+word, used+n
	}
	return append(lines, line)
}
