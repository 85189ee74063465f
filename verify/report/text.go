package report

import (
	"fmt"
	"io"
	"strings"

	"qimport/internal/table"
)

// WriteText writes the report for people: a line a check, the numbers, the verdict last.
func (r *Report) WriteText(w io.Writer) error { return r.WriteWithin(w, 0) }

// WriteWithin is WriteText in a window of so many columns; 0 is no limit.
func (r *Report) WriteWithin(w io.Writer, width int) error {
	if err := table.Write(w, width, rowsOf(r.Checks)); err != nil {
		return err
	}
	for _, line := range r.numbers() {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w, r.Verdict())
	return err
}

// WriteBrief writes what a script's log should have of the report: the checks that did not pass or that
// warn, and the verdict.
func (r *Report) WriteBrief(w io.Writer, width int) error {
	var told []Check
	for _, c := range r.Checks {
		if c.Passed != Passed || c.Warning != "" {
			told = append(told, c)
		}
	}
	if err := table.Write(w, width, rowsOf(told)); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, r.Verdict())
	return err
}

// rowsOf are the lines of a table of checks.
func rowsOf(checks []Check) [][]string {
	var rows [][]string
	for _, c := range checks {
		rows = append(rows, []string{c.Passed.String(), c.Name, c.Detail + c.bound()})
		if c.Warning != "" {
			rows = append(rows, []string{"", "", "warning: " + c.Warning})
		}
	}
	return rows
}

// bound shows a check's number, and what it was held to.
func (c Check) bound() string {
	switch {
	case c.Value != nil && c.Limit != nil:
		return fmt.Sprintf(": %.3g, limit %.3g", *c.Value, *c.Limit)
	case c.Value != nil:
		return fmt.Sprintf(": %.3g", *c.Value)
	}
	return ""
}

// Verdict is the report in one sentence.
func (r *Report) Verdict() string {
	name := r.Name
	if r.Manifest != "" {
		name += " " + ShortDigest(r.Manifest)
	}
	failed, missing := r.Count(Failed), r.Count(NotRun)
	switch {
	case len(r.Checks) == 0:
		return fmt.Sprintf("%s: not verified", name)
	case r.Passed:
		return fmt.Sprintf("%s: verified (%s, %d checks)", name, r.Level, len(r.Checks))
	}
	return fmt.Sprintf("%s: NOT verified (%s: %d of %d checks failed, %d not run)", name, r.Level, failed, len(r.Checks), missing)
}

// numbers are the lines under the checks: divergence, the worst tensors, ablations, Ollama, environment.
func (r *Report) numbers() []string {
	var lines []string
	if d := r.Divergence; d != nil {
		lines = append(lines, "", "against "+d.Reference+": "+d.summary())
		lines = append(lines, depthLines(d.ByDepth)...)
	}
	for i, t := range r.Tensors {
		if i == 0 {
			lines = append(lines, "", "relative squared error by tensor, worst first:")
		}
		if i == 5 {
			lines = append(lines, fmt.Sprintf("  … %d more in the JSON", len(r.Tensors)-i))
			break
		}
		lines = append(lines, "  "+t.summary())
	}
	for _, a := range r.Ablations {
		lines = append(lines, "", "float32 against "+a.What+": "+a.Divergence.summary())
		lines = append(lines, depthLines(a.Divergence.ByDepth)...)
	}
	lines = append(lines, "")
	if r.Needle != nil {
		lines = append(append(lines, r.Needle.lines()...), "")
	}
	if r.Template != nil {
		lines = append(lines, "the chat template: "+r.Template.What())
	}
	if r.Effort != nil {
		lines = append(lines, r.Effort.summary())
	}
	if r.Ollama != nil {
		lines = append(lines, r.Ollama.summary())
	}
	return append(lines, r.Environment.summary())
}

func depthLines(buckets []Bucket) []string {
	lines := make([]string, len(buckets))
	for i, b := range buckets {
		lines[i] = fmt.Sprintf("  positions %5d to %5d: mean KL %.3g ± %.1g, max %.3g, top-1 %.1f%%", b.From, b.Last(), b.MeanKL, b.StdErr, b.MaxKL, 100*b.Top1)
	}
	return lines
}

func (d *Divergence) summary() string {
	return fmt.Sprintf("KL mean %.3g ± %.1g, median %.3g, p99 %.3g, max %.3g nats; top-1 %.1f%%; perplexity %.4g, reference %.4g (%+.2f%%); %s",
		d.MeanKL, d.StdErr, d.MedianKL, d.P99KL, d.MaxKL, 100*d.Top1, d.Perplexity, d.ReferencePerplexity, 100*d.PerplexityChange, d.read())
}

// read says how much was compared: how many positions, and of how many texts if of several.
func (d *Divergence) read() string {
	if d.Texts > 1 {
		return fmt.Sprintf("%d positions of %d texts", d.Positions, d.Texts)
	}
	return fmt.Sprintf("%d positions", d.Positions)
}

func (t Tensor) summary() string {
	snr := "exact"
	if t.SNR != nil {
		snr = fmt.Sprintf("%.1f dB", *t.SNR)
	}
	return fmt.Sprintf("%-8.2g  %-8s  %s → %s, %.2f bits  %s", t.Error, snr, t.Source, t.Format, t.Bits, t.Name)
}

// summary is the environment in one line; what was not run is not named.
func (e Environment) summary() string {
	parts := []string{e.Platform}
	if e.Backend != "" {
		parts = append(parts, "on "+e.Backend)
	}
	for _, k := range sortedKeys(e.Versions) {
		parts = append(parts, k+" "+e.Versions[k])
	}
	for _, k := range sortedKeys(e.Dtypes) {
		parts = append(parts, k+" in "+e.Dtypes[k])
	}
	return strings.Join(parts, ", ")
}

// ShortDigest is enough of a digest for eyes.
func ShortDigest(d string) string {
	algorithm, hex, ok := strings.Cut(d, ":")
	if !ok || len(hex) <= 12 {
		return d
	}
	return algorithm + ":" + hex[:12]
}
