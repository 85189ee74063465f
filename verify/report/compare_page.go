package report

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"unicode/utf8"

	"qimport/internal/untrusted"
)

//go:embed compare.html.tmpl
var comparePage string

// The most that a page shows of what reports may have any number of; the JSON has all.
const (
	shownChecks  = 200
	shownTensors = 40
	shownAnswers = 60
	shownRunes   = 2000 // of one text
)

// WriteHTML writes the comparison as one page that needs nothing beside itself.
func (c *Comparison) WriteHTML(w io.Writer) error {
	page, err := newPage("comparison", comparePage, template.FuncMap{
		"class": outcomeClass, "number": shortNumber, "share": share, "short": ShortDigest, "cut": cutText, "over": func(t *Tensor) bool { return t.Over() },
		"size": ComparedRun.size, "megabytes": func(n int64) float64 { return float64(n) / 1e6 },
	})
	if err != nil {
		return err
	}
	err = page.Execute(w, struct {
		Comparison
		Left  int // rows that are not shown
		Chart template.HTML
	}{c.bounded(), c.left(), c.plot()})
	if err != nil {
		return fmt.Errorf("comparison as HTML: %w", err)
	}
	return nil
}

// WriteJSON writes the comparison as one document.
func (c *Comparison) WriteJSON(w io.Writer) error {
	b, err := json.MarshalIndent(c, "", "  ")
	if err == nil {
		_, err = w.Write(append(untrusted.JSON(b), '\n'))
	}
	return err
}

// bounded is the comparison with as many rows as a page has.
func (c *Comparison) bounded() Comparison {
	b := *c
	b.Checks = c.Checks[:min(len(c.Checks), shownChecks)]
	b.Tensors = c.Tensors[:min(len(c.Tensors), shownTensors)]
	b.Answers = c.Answers[:min(len(c.Answers), shownAnswers)]
	return b
}

func (c *Comparison) left() int {
	return max(len(c.Checks)-shownChecks, 0) + max(len(c.Tensors)-shownTensors, 0) + max(len(c.Answers)-shownAnswers, 0)
}

// cutText is the beginning of a long text.
func cutText(s string) string {
	if utf8.RuneCountInString(s) <= shownRunes {
		return s
	}
	return string([]rune(s)[:shownRunes]) + "…"
}

// mostBits is the most bits a weight that are drawn: no format has more.
const mostBits = 64

// plot draws KL divergence against size, a dot a run.
func (c *Comparison) plot() template.HTML {
	p := plot{title: "mean KL divergence of each run against bits a weight", xLabel: "bits a weight", yLabel: "KL divergence, nats", xTo: 1}
	for _, r := range c.Runs {
		if r.MeanKL == nil || !(r.Bits > 0 && r.Bits <= mostBits) || !(*r.MeanKL > 0) || math.IsInf(*r.MeanKL, 0) {
			continue
		}
		name := fmt.Sprintf("%s: %.2f bits, %.3g nats", r.Label, r.Bits, *r.MeanKL)
		p.dots = append(p.dots, plotDot{plotPoint: plotPoint{r.Bits, *r.MeanKL}, name: cutText(name), label: dotLabel(r.Label), bad: !r.Passed})
		p.xTo = max(p.xTo, 4*math.Ceil((r.Bits+0.5)/4)) // four steps of whole bits
	}
	for i := range p.dots {
		p.dots[i].below = slices.ContainsFunc(p.dots, p.dots[i].justUnder)
	}
	return p.svg()
}

// justUnder says whether another dot is so little above this one that a label between them would hide it.
func (d plotDot) justUnder(other plotDot) bool {
	return math.Abs(other.x-d.x) < 2 && other.y > d.y && other.y < 3*d.y
}

// dotLabel is the end of a label, which tells variants apart.
func dotLabel(label string) string {
	runes := []rune(label)
	if len(runes) <= 18 {
		return label
	}
	return "…" + string(runes[len(runes)-17:])
}
