package qimport

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"qimport/convert/tune"
	"qimport/internal/replace"
)

// command is what imports the source by the recipe.
func (t *tuning) command() string {
	words := []string{"qimport import", t.Source, "--recipe", t.Out}
	switch {
	case t.options.Feedback:
		words = append(words, "--method", t.Method)
	case t.ScaleSearch:
		words = append(words, "--scale-search")
	}
	if t.Calibration != "" {
		words = append(words, "--calibration", t.Calibration)
	}
	return strings.Join(words, " ")
}

// compose makes the recipe's text.
func (t *tuning) compose(m tune.Mixture) {
	r := t.report
	how := "The mixture of least predicted divergence; measured on the same text, of the others"
	if r.As != "" {
		how = fmt.Sprintf("The mixture of %s, which measured better than that of least predicted divergence; of the others", r.As)
	}
	t.text = tune.Recipe(t.groups, m, t.kept, slices.Concat([]string{
		fmt.Sprintf("%s, tuned by qimport: %.2f bits a weight, %d bytes.", r.Source, r.Bits, r.Written),
		fmt.Sprintf("Mean KL divergence %.3g nats, measured over %d positions of text that was held back.", r.Chosen.KL, r.HeldPositions),
		fmt.Sprintf("%.3g nats predicted, the sum of what is told of each line; %.3g measured on the same text.", r.Predicted, r.Same),
		fmt.Sprintf("Over %d positions, text %s.", r.Positions, r.Text),
		how + ":",
	}, beside(r), []string{r.Command}))
}

// write puts the recipe and the reports in their places.
func (t *tuning) write() error {
	if err := replace.WriteFile(t.Out, []byte(t.text), replace.Public); err != nil {
		return err
	}
	pending, err := openReports(t.Reports)
	if err != nil {
		return err
	}
	defer pending.close()
	return pending.writeAs(t.writeReport)
}

// writeReport writes what was found in the form of a file's ending: .html or .json.
func (t *tuning) writeReport(ending string, w io.Writer) error {
	if ending == ".html" {
		return t.report.WriteHTML(w)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(t.report)
}
