// Package openmetrics writes gauges as OpenMetrics text, in the part of it that readers of the older
// Prometheus text take as well: node_exporter's textfile collector is one.
//
// It must not know what is measured.
package openmetrics

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// Label is a name and its value. The name is one of the program's own; the value may be any text.
type Label struct{ Name, Value string }

// Sample is one value, told from the others of its family by its labels.
type Sample struct {
	Labels []Label
	Value  float64
}

// Gauge is a family of samples of one meaning, in one unit. A name ends in the unit, if it has one.
type Gauge struct {
	Name, Unit, Help string
	Samples          []Sample
}

// Write writes the families that have samples, and the mark of the end, without which a reader must take a
// text for cut short.
func Write(w io.Writer, families []Gauge) error {
	var b strings.Builder
	for _, g := range families {
		if len(g.Samples) > 0 {
			g.append(&b)
		}
	}
	b.WriteString("# EOF\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (g Gauge) append(b *strings.Builder) {
	fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s gauge\n", g.Name, escape(g.Help), g.Name)
	if g.Unit != "" {
		fmt.Fprintf(b, "# UNIT %s %s\n", g.Name, g.Unit)
	}
	for _, s := range g.Samples {
		b.WriteString(g.Name)
		for i, l := range s.Labels {
			fmt.Fprintf(b, `%s%s="%s"`, [...]string{"{", ","}[min(i, 1)], l.Name, escape(l.Value))
		}
		if len(s.Labels) > 0 {
			b.WriteByte('}')
		}
		b.WriteString(" " + number(s.Value) + "\n")
	}
}

// number is a value as both forms of the text have it.
func number(v float64) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 0):
		return map[bool]string{true: "+Inf", false: "-Inf"}[v > 0]
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

var escaped = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// escape keeps a text from ending its value or its line. What is no UTF-8 has no place in either form.
func escape(s string) string { return escaped.Replace(strings.ToValidUTF8(s, "\uFFFD")) }
