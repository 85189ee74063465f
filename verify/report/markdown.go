package report

import (
	"fmt"
	"net/url"
	"strings"
)

// Badge is one line of Markdown: a shield with the verdict, and the mean KL where one was measured.
func (r *Report) Badge() string {
	text, colour := "not verified", "lightgrey"
	switch {
	case r.Passed:
		text, colour = "verified "+string(r.Level), "brightgreen"
	case len(r.Checks) > 0:
		text, colour = "failed "+string(r.Level), "red"
	}
	if r.Divergence != nil {
		text += fmt.Sprintf(", KL %.3g", r.Divergence.MeanKL)
	}
	// A shield's path separates its parts with dashes, so a dash in the text is doubled.
	path := url.PathEscape("qimport-" + strings.ReplaceAll(text, "-", "--") + "-" + colour)
	return fmt.Sprintf("![qimport: %s](https://img.shields.io/badge/%s)", text, path)
}

// Markdown is a block for a model card: badge, numbers, failed checks, and what it was run on.
func (r *Report) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s\n", r.Badge(), r.Verdict())
	if d := r.Divergence; d != nil {
		fmt.Fprintf(&b, "\n| against %s | |\n|---|---|\n", cell(d.Reference))
		fmt.Fprintf(&b, "| KL divergence, mean | %.4g ± %.1g nats |\n", d.MeanKL, d.StdErr)
		fmt.Fprintf(&b, "| KL divergence, median / p99 / max | %.3g / %.3g / %.3g |\n", d.MedianKL, d.P99KL, d.MaxKL)
		fmt.Fprintf(&b, "| same likeliest token | %.2f %% |\n", 100*d.Top1)
		fmt.Fprintf(&b, "| perplexity, reference → model | %.4g → %.4g (%+.2f %%) |\n", d.ReferencePerplexity, d.Perplexity, 100*d.PerplexityChange)
		fmt.Fprintf(&b, "| positions | %d |\n", d.Positions)
		if d.Texts > 1 {
			fmt.Fprintf(&b, "| texts | %d |\n", d.Texts)
		}
	}
	r.writeFaults(&b)
	if r.Needle != nil {
		fmt.Fprintf(&b, "\nneedle: %s\n", r.Needle.What())
	}
	if r.Template != nil {
		fmt.Fprintf(&b, "\nthe chat template: %s\n", cell(r.Template.What()))
	}
	if r.Effort != nil {
		fmt.Fprintf(&b, "\n%s\n", r.Effort.summary())
	}
	if r.Ollama != nil {
		fmt.Fprintf(&b, "\n%s\n", cell(r.Ollama.summary()))
	}
	fmt.Fprintf(&b, "\n%s\n", cell(r.Environment.summary()))
	return b.String()
}

// writeFaults lists the checks that did not pass.
func (r *Report) writeFaults(b *strings.Builder) {
	b.WriteByte('\n')
	for _, c := range r.Checks {
		if c.Passed != Passed {
			fmt.Fprintf(b, "- %s: `%s`: %s\n", c.Passed, c.Name, cell(c.Detail+c.bound()))
		}
	}
}

// cell keeps a text from ending its table cell or list item.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(s)
}
