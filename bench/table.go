package main

import (
	"fmt"
	"strings"
)

// table is one in Markdown.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) String() string {
	var b strings.Builder
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(t.head)
	fmt.Fprintf(&b, "|%s\n", strings.Repeat("---|", len(t.head)))
	for _, r := range t.rows {
		line(r)
	}
	return b.String()
}

// times is how many times b goes into a, or nothing where there is no b.
func times(a, b float64) string {
	switch {
	case b == 0:
		return ""
	case a/b < 9.95:
		return fmt.Sprintf("%.2f", a/b)
	}
	return fmt.Sprintf("%.0f", a/b)
}

// share is a of b in per cent.
func share(a, b float64) string {
	if b == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f %%", 100*a/b)
}

// size is bytes for a cell: MB below one GB.
func size(bytes int64) string {
	if bytes < 1e9 {
		return fmt.Sprintf("%d MB", bytes/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(bytes)/1e9)
}

// memory is the most that the runs took, and what of it no file backs.
func memory(runs ...usage) string {
	var own int64
	for _, r := range runs {
		own = max(own, r.own)
	}
	if own == 0 {
		return size(peak(runs))
	}
	return fmt.Sprintf("%s, %s", size(peak(runs)), size(own))
}
