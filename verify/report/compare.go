package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Comparison is several reports beside each other. Lists of one entry a run are in the order of Runs.
type Comparison struct {
	Schema  int              `json:"schema"`
	Runs    []ComparedRun    `json:"runs"`
	Notes   []string         `json:"notes"`   // why runs cannot be compared in all
	Checks  []ComparedCheck  `json:"checks"`  // all that any run has
	Tensors []ComparedTensor `json:"tensors"` // the worst of each run
	Answers []ComparedAnswer `json:"answers"`
}

// ComparedRun is the verdict of one report.
type ComparedRun struct {
	Label    string  `json:"label"` // what it was called by: a file, or a name of the store
	Name     string  `json:"name"`
	Manifest string  `json:"manifest"`
	Level    Level   `json:"level"`
	Passed   bool    `json:"passed"`
	Failed   int     `json:"checks_failed"`
	NotRun   int     `json:"checks_not_run"`
	Bytes    int64   `json:"bytes,omitempty"`           // of all tensors; where the report says it
	Bits     float64 `json:"bits_per_weight,omitempty"` // likewise
	// What follows is of quality verifications.
	Reference        string   `json:"reference,omitempty"`
	TextDigest       string   `json:"text_digest,omitempty"`
	MeanKL           *float64 `json:"mean_kl,omitempty"`
	StdErr           *float64 `json:"mean_kl_standard_error,omitempty"`
	Top1             *float64 `json:"top1_agreement,omitempty"`
	PerplexityChange *float64 `json:"perplexity_change,omitempty"`
	Seconds          float64  `json:"seconds"`           // of all checks
	Backend          string   `json:"backend,omitempty"` // that the model was run on
}

// ComparedCheck is one check in every run.
type ComparedCheck struct {
	Name string          `json:"name"`
	Runs []*ComparedCell `json:"runs"` // null where a run has no such check
}

// ComparedCell is how a check ended in one run.
type ComparedCell struct {
	Passed  Outcome  `json:"passed"`
	Detail  string   `json:"detail"`
	Value   *float64 `json:"value,omitempty"`
	Limit   *float64 `json:"limit,omitempty"`
	Warning string   `json:"warning,omitempty"`
}

// ComparedTensor is what one tensor's format cost in every run.
type ComparedTensor struct {
	Name string    `json:"name"`
	Runs []*Tensor `json:"runs"` // null where a run did not measure it
}

// ComparedAnswer is a prompt, and what each model said.
type ComparedAnswer struct {
	Prompt string    `json:"prompt"`
	Runs   []*string `json:"runs"` // null where a model was not asked
	Same   bool      `json:"same"` // all that were asked said the same
}

// LabeledReport is a report, and what it was called by.
type LabeledReport struct {
	Label string
	Report
}

// worstTensors is how many tensors of each run are compared in all runs.
const worstTensors = 8

// Compare puts reports beside each other.
func Compare(reports []LabeledReport) Comparison {
	c := Comparison{Schema: 1, Notes: []string{}, Checks: []ComparedCheck{}, Tensors: []ComparedTensor{}, Answers: []ComparedAnswer{}}
	for _, r := range reports {
		c.Runs = append(c.Runs, comparedRun(r))
	}
	c.Notes = append(c.Notes, unlike(c.Runs)...)
	c.addChecks(reports)
	c.addTensors(reports)
	c.addAnswers(reports)
	return c
}

func comparedRun(r LabeledReport) ComparedRun {
	run := ComparedRun{
		Label: r.Label, Name: r.Name, Manifest: r.Manifest, Level: r.Level, Passed: r.Passed,
		Failed: r.Count(Failed), NotRun: r.Count(NotRun), Backend: r.Environment.Backend,
	}
	for _, check := range r.Checks {
		run.Seconds += check.Seconds
	}
	if r.Weights != nil {
		run.Bytes, run.Bits = r.Weights.Bytes, r.Weights.Bits()
	}
	if d := r.Divergence; d != nil {
		run.Reference, run.TextDigest = d.Reference, d.TextDigest
		run.MeanKL, run.StdErr, run.Top1, run.PerplexityChange = &d.MeanKL, &d.StdErr, &d.Top1, &d.PerplexityChange
	}
	return run
}

// unlike says what keeps runs from being compared.
func unlike(runs []ComparedRun) (notes []string) {
	references, texts := map[string]bool{}, map[string]bool{}
	for _, r := range runs {
		if r.MeanKL == nil {
			notes = append(notes, r.Label+" was not compared with a source: it has no divergence")
			continue
		}
		references[r.Reference], texts[r.TextDigest] = true, true
		if r.Bits == 0 {
			notes = append(notes, r.Label+" does not say how large its tensors are, and is not drawn: qimport verify makes the report anew")
		}
	}
	if len(references) > 1 {
		notes = append(notes, "the runs were held to different sources: their divergences say nothing about each other")
	}
	if len(texts) > 1 {
		notes = append(notes, "the runs read different texts: their divergences can hardly be compared")
	}
	return notes
}

func (c *Comparison) addChecks(reports []LabeledReport) {
	at := map[string]int{}
	for i, r := range reports {
		for _, check := range r.Checks {
			k, known := at[check.Name]
			if !known {
				k = len(c.Checks)
				at[check.Name] = k
				c.Checks = append(c.Checks, ComparedCheck{check.Name, make([]*ComparedCell, len(reports))})
			}
			c.Checks[k].Runs[i] = &ComparedCell{check.Passed, check.Detail, check.Value, check.Limit, check.Warning}
		}
	}
}

// addTensors takes the worst tensors of each run, and looks for them in all.
func (c *Comparison) addTensors(reports []LabeledReport) {
	worst := map[string]float64{} // by name, the largest error
	for _, r := range reports {
		sorted := slices.Clone(r.Tensors)
		slices.SortStableFunc(sorted, func(a, b Tensor) int { return cmp.Compare(b.Error, a.Error) })
		for _, t := range sorted[:min(len(sorted), worstTensors)] {
			worst[t.Name] = max(worst[t.Name], t.Error)
		}
	}
	for name := range worst {
		c.Tensors = append(c.Tensors, ComparedTensor{name, make([]*Tensor, len(reports))})
	}
	slices.SortFunc(c.Tensors, func(a, b ComparedTensor) int {
		return cmp.Or(cmp.Compare(worst[b.Name], worst[a.Name]), strings.Compare(a.Name, b.Name))
	})
	at := map[string]int{}
	for k, t := range c.Tensors {
		at[t.Name] = k
	}
	for i, r := range reports {
		for _, t := range r.Tensors {
			if k, ok := at[t.Name]; ok {
				c.Tensors[k].Runs[i] = &t
			}
		}
	}
}

// question tells prompts apart: the same words in another turn are another question.
type question struct {
	prompt, results string
	turn            int
}

func (c *Comparison) addAnswers(reports []LabeledReport) {
	at := map[question]int{}
	for i, r := range reports {
		for _, a := range r.Answers {
			q := question{a.Prompt, strings.Join(a.Results, "\n"), a.Turn}
			k, known := at[q]
			if !known {
				k = len(c.Answers)
				at[q] = k
				c.Answers = append(c.Answers, ComparedAnswer{strings.TrimSpace(a.Prompt + "\n" + q.results), make([]*string, len(reports)), true})
			}
			said := a.Text
			c.Answers[k].Runs[i] = &said
		}
	}
	for k := range c.Answers {
		c.Answers[k].Same = alike(c.Answers[k].Runs)
	}
}

func alike(said []*string) bool {
	given := slices.DeleteFunc(slices.Clone(said), func(s *string) bool { return s == nil })
	return !slices.ContainsFunc(given, func(s *string) bool { return *s != *given[0] })
}

// Rows are the runs as a table for people.
func (c *Comparison) Rows() [][]string {
	rows := [][]string{{"RUN", "MODEL", "VERDICT", "BITS", "MB", "KL", "TOP-1", "PERPLEXITY"}}
	for _, r := range c.Runs {
		rows = append(rows, []string{r.Label, r.Name, r.Verdict(), r.size("%.2f", r.Bits), r.size("%.1f", float64(r.Bytes)/1e6),
			shortNumber(r.MeanKL), share(r.Top1), share(r.PerplexityChange)})
	}
	return rows
}

// Verdict is the run's in a few words.
func (r ComparedRun) Verdict() string {
	if r.Passed {
		return "ok, " + string(r.Level)
	}
	return fmt.Sprintf("FAILED, %s: %d failed, %d not run", r.Level, r.Failed, r.NotRun)
}

// size is a number that some reports do not have.
func (r ComparedRun) size(form string, v float64) string {
	if r.Bits == 0 {
		return ""
	}
	return fmt.Sprintf(form, v)
}

func share(v *float64) string {
	if v == nil {
		return ""
	}
	return percent(*v)
}
