package report

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize/english"
)

// Effort is how much of the model the smoke checks ran. It was decided before, from the model's sizes.
type Effort struct {
	Prefilled   int     `json:"prefilled"`        // tokens read at once: in prefills that were held to single steps, and by the head
	SingleSteps int     `json:"single_steps"`     // tokens read one at a time, to be compared with
	Questions   int     `json:"questions"`        // answered side by side
	Needle      int     `json:"needle,omitempty"` // tokens of a text that facts were hidden in
	Expected    float64 `json:"expected"`         // seconds that were said beforehand
	Seconds     float64 `json:"seconds"`          // that the smoke checks took
}

// Spent adds up what the smoke checks took.
func (r *Report) Spent() {
	if r.Effort == nil {
		return
	}
	r.Effort.Seconds = 0
	for _, c := range r.Checks {
		if strings.HasPrefix(c.Name, string(Smoke)+".") {
			r.Effort.Seconds += c.Seconds
		}
	}
}

// What says what was run: "581 tokens read at once, 64 single steps, 4 questions".
func (e *Effort) What() string {
	what := fmt.Sprintf("%s read at once, %s, %s", english.Plural(e.Prefilled, "token", ""), english.Plural(e.SingleSteps, "single step", ""), english.Plural(e.Questions, "question", ""))
	if e.Needle > 0 {
		what += fmt.Sprintf(", a text of %d tokens", e.Needle)
	}
	return what
}

// summary is the line of the report.
func (e *Effort) summary() string {
	return fmt.Sprintf("smoke ran %s: %.0f seconds, %.0f were expected", e.What(), e.Seconds, e.Expected)
}
