package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
)

//go:embed report.html.tmpl
var reportPage string

// pageStyle is the style of all pages.
//
//go:embed style.css.tmpl
var pageStyle string

// newPage is a template of a page, with the style that all have.
func newPage(name, text string, functions template.FuncMap) (*template.Template, error) {
	t, err := template.New(name).Funcs(functions).Parse(text)
	if err == nil {
		_, err = t.New("style").Parse(pageStyle)
	}
	if err != nil {
		return nil, fmt.Errorf("template of the page %s: %w", name, err)
	}
	return t, nil
}

// page is what the template draws: the report, and its charts.
type page struct {
	*Report
	Divergences []divergenceView
	Errors      template.HTML
}

// divergenceView is one comparison with its chart.
type divergenceView struct {
	Title string
	*Divergence
	Chart template.HTML
}

// WriteHTML writes the report as one page that needs nothing beside itself: no script, no font, no
// picture is loaded. It reads on a phone and in the dark.
func (r *Report) WriteHTML(w io.Writer) error {
	t, err := newPage("report", reportPage, template.FuncMap{
		"class": outcomeClass, "percent": percent, "number": shortNumber, "short": ShortDigest,
		"four": func(v float64) string { return fmt.Sprintf("%.4g", v) },
		"bad":  Tensor.Over,
	})
	if err != nil {
		return err
	}
	if err := t.Execute(w, page{r, r.views(), r.errorPlot()}); err != nil {
		return fmt.Errorf("report of %s as HTML: %w", r.Name, err)
	}
	return nil
}

func (r *Report) views() []divergenceView {
	var views []divergenceView
	if r.Divergence != nil {
		views = append(views, divergenceView{"Against " + r.Divergence.Reference, r.Divergence, r.Divergence.plot()})
	}
	for i := range r.Ablations {
		a := &r.Ablations[i]
		views = append(views, divergenceView{"float32 against " + a.What, &a.Divergence, a.Divergence.plot()})
	}
	return views
}

// depth is how many positions the longest text has.
func (d *Divergence) depth() int {
	if len(d.ByPosition) == 0 {
		return 0
	}
	return d.ByPosition[len(d.ByPosition)-1].To
}

// plot draws the mean and the largest KL divergence along the texts.
func (d *Divergence) plot() template.HTML {
	mean, most := plotLine{name: "mean"}, plotLine{name: "largest"}
	for _, b := range d.ByPosition {
		middle := float64(b.From+b.To-1) / 2
		mean.points = append(mean.points, plotPoint{middle, b.MeanKL})
		most.points = append(most.points, plotPoint{middle, b.MaxKL})
	}
	return plot{
		title: "KL divergence by position", xLabel: "position in the text", yLabel: "KL divergence, nats",
		xTo: float64(d.depth()), lines: []plotLine{mean, most},
	}.svg()
}

// errorPlot draws what each tensor's format cost against the bits it takes.
func (r *Report) errorPlot() template.HTML {
	p := plot{
		title:  "relative squared error of each tensor against its bits per weight",
		xLabel: "bits per weight, scales included", yLabel: "relative squared error",
	}
	for _, t := range r.Tensors {
		if t.Error > 0 {
			p.dots = append(p.dots, plotDot{plotPoint: plotPoint{t.Bits, t.Error}, name: t.summary(), bad: t.Over()})
		}
		p.xTo = max(p.xTo, t.Bits+1)
	}
	return p.svg()
}

func outcomeClass(o Outcome) string { return strings.ReplaceAll(strings.ToLower(o.String()), " ", "-") }

func percent(v float64) string { return fmt.Sprintf("%.2f %%", 100*v) }

// shortNumber takes a float64 or a *float64; nil is empty.
func shortNumber(v any) string {
	switch v := v.(type) {
	case float64:
		return fmt.Sprintf("%.3g", v)
	case *float64:
		if v != nil {
			return fmt.Sprintf("%.3g", *v)
		}
	}
	return ""
}
