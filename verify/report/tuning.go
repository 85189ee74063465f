package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
)

// Tuning is how a mixture of formats was found: what each group of tensors costs in each format, and what the
// mixtures cost. Keys may be added, none changes.
type Tuning struct {
	Schema    int    `json:"schema"`
	Source    string `json:"source"`
	Recipe    string `json:"recipe"` // file
	Method    string `json:"method"` // how costs were found, for people
	By        string `json:"by"`     // what was changed at a time: layer or kind
	Text      string `json:"text"`   // digest of what was read for the costs
	Positions int    `json:"positions"`
	// HeldText is what was held back from that: what is called measured was measured on it.
	HeldText      string       `json:"held_text"`
	HeldPositions int          `json:"held_positions"`
	Measured      int          `json:"measured"` // single changes, those of earlier runs included
	Groups        []TunedGroup `json:"groups"`
	Fixed         int64        `json:"fixed_bytes"`       // of tensors that stay as they are
	Frontier      []TunedPoint `json:"frontier"`          // mixtures that none of as few bytes is predicted to beat, thinned out
	Uniform       []TunedPoint `json:"uniform"`           // measured: all that can be in one format
	Shipped       []TunedPoint `json:"shipped,omitempty"` // measured: the shipped recipes, of the formats that may be chosen
	Chosen        TunedPoint   `json:"chosen"`            // measured
	As            string       `json:"as,omitempty"`      // what else has the chosen mixture, where it was not found by costs: all FORMAT, recipe NAME
	Predicted     float64      `json:"predicted_kl"`      // of the chosen one: the sum of its single changes
	Same          float64      `json:"same_text_kl"`      // of the chosen one, measured on Text, which Predicted is of
	Written       int64        `json:"bytes_total"`       // that import writes by the recipe
	Bits          float64      `json:"bits_per_weight"`   // of that
	Command       string       `json:"command"`           // that imports it
	Seconds       float64      `json:"seconds"`
}

// TunedGroup is tensors that get one format: the one that was chosen, and what each would have cost.
type TunedGroup struct {
	Name    string        `json:"name"`
	Tensors int           `json:"tensors"`
	Format  string        `json:"format"` // keep for that of the source
	Options []TunedOption `json:"options"`
}

// TunedOption is a format that a group may take.
type TunedOption struct {
	Format string  `json:"format"`
	Bytes  int64   `json:"bytes"`
	KL     float64 `json:"kl"` // mean, of the model with this one change, nats
}

// TunedPoint is a mixture: the bytes of its tensors, and what it costs.
type TunedPoint struct {
	Format string  `json:"format,omitempty"` // of a uniform one
	Recipe string  `json:"recipe,omitempty"` // of a shipped one
	Bytes  int64   `json:"bytes"`
	Bits   float64 `json:"bits_per_weight"`
	KL     float64 `json:"kl"`
}

// Name is what people call the mixture; "" for one that was found by costs.
func (p TunedPoint) Name() string {
	switch {
	case p.Recipe != "":
		return "recipe " + p.Recipe
	case p.Format != "":
		return "all " + p.Format
	}
	return ""
}

// Rivals are the mixtures that the chosen one was held to: uniform ones and shipped recipes.
func (t *Tuning) Rivals() []TunedPoint { return slices.Concat(t.Uniform, t.Shipped) }

// Chosen is the option that the group got.
func (g TunedGroup) Chosen() TunedOption {
	for _, o := range g.Options {
		if o.Format == g.Format {
			return o
		}
	}
	return TunedOption{}
}

// Ratio is the measured cost of the mixture over the predicted one, on the same text; 0 where nothing was
// predicted.
func (t *Tuning) Ratio() float64 {
	if t.Predicted == 0 {
		return 0
	}
	return t.Same / t.Predicted
}

//go:embed tuning.html.tmpl
var tuningPage string

// WriteHTML writes the tuning as one page that needs nothing beside itself.
func (t *Tuning) WriteHTML(w io.Writer) error {
	page, err := newPage("tuning", tuningPage, template.FuncMap{
		"number": shortNumber, "megabytes": megabytes, "short": ShortDigest,
		"bits": func(v float64) string { return fmt.Sprintf("%.2f", v) },
	})
	if err != nil {
		return err
	}
	err = page.Execute(w, struct {
		*Tuning
		Chart template.HTML
	}{t, t.plot()})
	if err != nil {
		return fmt.Errorf("tuning of %s as HTML: %w", t.Source, err)
	}
	return nil
}

func megabytes(n int64) string { return fmt.Sprintf("%.2f", float64(n)/1e6) }

// plot draws the frontier, with the uniform formats, the shipped recipes and the chosen mixture as marks.
func (t *Tuning) plot() template.HTML {
	line := plotLine{name: "predicted"}
	p := plot{title: "KL divergence against bits a weight", xLabel: "bits a weight", yLabel: "KL divergence, nats", xTo: 1}
	for _, m := range t.Frontier {
		line.points = append(line.points, plotPoint{m.Bits, m.KL})
		p.xTo = max(p.xTo, m.Bits)
	}
	p.lines = []plotLine{line}
	for _, m := range t.Rivals() {
		name := fmt.Sprintf("%s: %.2f bits, %.3g nats", m.Name(), m.Bits, m.KL)
		p.dots = append(p.dots, plotDot{plotPoint: plotPoint{m.Bits, m.KL}, name: name, label: m.Format + m.Recipe, bad: true})
	}
	name := fmt.Sprintf("the recipe: %.2f bits, %.3g nats", t.Chosen.Bits, t.Chosen.KL)
	p.dots = append(p.dots, plotDot{plotPoint: plotPoint{t.Chosen.Bits, t.Chosen.KL}, name: name, label: "the recipe"})
	return p.svg()
}
