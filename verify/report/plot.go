package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"
)

// plot is a small chart with a logarithmic vertical axis, drawn as SVG. Colours come from the
// page's CSS classes (line-0, line-1 …; dot), so that it follows the reader's light or dark mode.
type plot struct {
	title          string // what a screen reader says
	xLabel, yLabel string
	xFrom, xTo     float64
	lines          []plotLine
	dots           []plotDot
}

type plotLine struct {
	name   string
	points []plotPoint
}

type plotPoint struct{ x, y float64 }

type plotDot struct {
	plotPoint
	name  string // shown when pointed at
	label string // above it, or ""
	below bool   // the label is under it
	bad   bool
}

// The drawing's size and margins, in SVG units; the page scales it to its width.
const (
	plotWidth, plotHeight           = 640.0, 300.0
	plotLeft, plotRight             = 72.0, 12.0
	plotTop, plotBottom             = 30.0, 40.0
	innerWidth, innerHeight float64 = plotWidth - plotLeft - plotRight, plotHeight - plotTop - plotBottom
)

// svg draws the chart, or nothing when no value is above zero.
func (p plot) svg() template.HTML {
	low, high, ok := p.decades()
	if !ok {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, plotWidth, plotHeight, template.HTMLEscapeString(p.title))
	p.axes(&b, low, high)
	for i, l := range p.lines {
		fmt.Fprintf(&b, `<polyline class="line-%d" points="`, i)
		for _, at := range l.points {
			if at.y > 0 {
				fmt.Fprintf(&b, "%.1f,%.1f ", p.x(at.x), y(at.y, low, high))
			}
		}
		b.WriteString(`"/>`)
		fmt.Fprintf(&b, `<text class="key line-%d" x="%g" y="%g">%s</text>`, i, plotLeft+float64(i)*120, plotTop-10, template.HTMLEscapeString(l.name))
	}
	for _, d := range p.dots {
		class := "dot"
		if d.bad {
			class = "dot bad"
		}
		fmt.Fprintf(&b, `<circle class="%s" cx="%.1f" cy="%.1f" r="4"><title>%s</title></circle>`,
			class, p.x(d.x), y(d.y, low, high), template.HTMLEscapeString(d.name))
		if d.label != "" {
			away := -8.0
			if d.below {
				away = 18
			}
			fmt.Fprintf(&b, `<text class="tick" x="%.1f" y="%.1f" text-anchor="middle">%s</text>`,
				p.x(d.x), y(d.y, low, high)+away, template.HTMLEscapeString(d.label))
		}
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String())
}

// decades are the whole powers of ten around every value above zero.
func (p plot) decades() (low, high float64, ok bool) {
	least, most := math.Inf(1), math.Inf(-1)
	see := func(v float64) {
		if v > 0 && !math.IsInf(v, 0) {
			least, most = min(least, v), max(most, v)
		}
	}
	for _, l := range p.lines {
		for _, at := range l.points {
			see(at.y)
		}
	}
	for _, d := range p.dots {
		see(d.y)
	}
	if most < least {
		return 0, 0, false
	}
	low, high = math.Floor(math.Log10(least)), math.Ceil(math.Log10(most))
	return low, max(high, low+1), true
}

func (p plot) axes(b *strings.Builder, low, high float64) {
	step := math.Ceil((high - low) / 8)
	for d := low; d <= high; d += step {
		at := y(math.Pow(10, d), low, high)
		fmt.Fprintf(b, `<path class="grid" d="M%g %.1fH%g"/><text class="tick" x="%g" y="%.1f" text-anchor="end">%s</text>`,
			plotLeft, at, plotWidth-plotRight, plotLeft-6, at+4, power(int(d)))
	}
	for i := range 5 {
		v, anchor := p.xFrom+(p.xTo-p.xFrom)*float64(i)/4, "middle"
		switch i { // large print, as on a phone, has room for the middle of neither
		case 0:
			anchor = "start"
		case 4:
			anchor = "end"
		}
		fmt.Fprintf(b, `<text class="tick" x="%.1f" y="%g" text-anchor="%s">%.0f</text>`, p.x(v), plotHeight-plotBottom+18, anchor, v)
	}
	fmt.Fprintf(b, `<text class="label" x="%g" y="%g" text-anchor="middle">%s</text>`, plotLeft+innerWidth/2, plotHeight-4, template.HTMLEscapeString(p.xLabel))
	fmt.Fprintf(b, `<text class="label" transform="translate(12 %g) rotate(-90)" text-anchor="middle">%s</text>`, plotTop+innerHeight/2, template.HTMLEscapeString(p.yLabel))
}

func (p plot) x(v float64) float64 {
	return plotLeft + innerWidth*(v-p.xFrom)/max(p.xTo-p.xFrom, 1e-9)
}

// y places a value between the decades; what is not above zero lies on the lowest.
func y(v, low, high float64) float64 {
	share := 0.0
	if v > 0 {
		share = min(max((math.Log10(v)-low)/(high-low), 0), 1)
	}
	return plotTop + innerHeight*(1-share)
}

// power writes 10 to the d the way people read it.
func power(d int) string {
	if d >= -3 && d <= 3 {
		return fmt.Sprintf("%g", math.Pow(10, float64(d)))
	}
	return fmt.Sprintf("1e%d", d)
}
