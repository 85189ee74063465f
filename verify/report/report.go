package report

import (
	"encoding/json"
	"fmt"
	"strings"

	"qimport/internal/spelling"
)

// Schema is the version of the report's JSON. More keys may come; none will change its meaning.
const Schema = 1

// Level is how far a verification goes. Each level includes the ones before it.
type Level string

// The levels, cheapest first. None asks for nothing and reports nothing.
const (
	None    Level = "none"
	Blobs   Level = "blobs"
	Smoke   Level = "smoke"
	Quality Level = "quality"
)

// ParseLevel reads a level as a user writes it.
func ParseLevel(s string) (Level, error) {
	switch l := Level(s); l {
	case None, Blobs, Smoke, Quality:
		return l, nil
	}
	known := []string{string(None), string(Blobs), string(Smoke), string(Quality)}
	return "", fmt.Errorf("no verification level %q%s; known are %s", s, spelling.DidYouMean(s, known), strings.Join(known, ", "))
}

// Outcome says how a check ended; the zero value is NotRun. In JSON it is null, true or false.
type Outcome uint8

// The outcomes of a check.
const (
	NotRun Outcome = iota
	Passed
	Failed
)

// MarshalJSON writes null for a check that was not run, else whether it passed.
func (o Outcome) MarshalJSON() ([]byte, error) {
	switch o {
	case Passed:
		return []byte("true"), nil
	case Failed:
		return []byte("false"), nil
	}
	return []byte("null"), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (o *Outcome) UnmarshalJSON(b []byte) error {
	var passed *bool
	if err := json.Unmarshal(b, &passed); err != nil {
		return fmt.Errorf("outcome of a check: %w", err)
	}
	*o = NotRun
	if passed != nil {
		*o = OutcomeOf(*passed)
	}
	return nil
}

// OutcomeOf is the outcome of a check that was run.
func OutcomeOf(passed bool) Outcome {
	if passed {
		return Passed
	}
	return Failed
}

// String is the word for a terminal.
func (o Outcome) String() string {
	return [...]string{NotRun: "not run", Passed: "ok", Failed: "FAILED"}[o]
}

// Check is one question asked of the model, and its answer.
type Check struct {
	// Name is stable and dotted: the level that asks, then what, as "smoke.prefill.33".
	Name   string  `json:"name"`
	Passed Outcome `json:"passed"`
	Detail string  `json:"detail"`
	// Value is the number measured and Limit the bound it was held to, in the unit that Detail
	// names. Nil where there is none, or where it is not finite (Detail then says so).
	Value *float64 `json:"value,omitempty"`
	Limit *float64 `json:"limit,omitempty"`
	// Warning is what a passed check wants looked at all the same.
	Warning string  `json:"warning,omitempty"`
	Seconds float64 `json:"seconds"`
}

// Report is the verdict on one model, and all that was measured to reach it.
type Report struct {
	Schema      int         `json:"schema"`
	Name        string      `json:"name"`
	Manifest    string      `json:"manifest"` // digest of the manifest; empty for a plain directory
	Level       Level       `json:"level"`
	Passed      bool        `json:"passed"`
	Origin      string      `json:"origin,omitempty"` // whose word it is, where it is not of this machine: the registry it came from
	Checks      []Check     `json:"checks"`
	Environment Environment `json:"environment"`
	Provenance  Provenance  `json:"provenance"`
	Weights     *Weights    `json:"weights,omitempty"` // where the model opened
	Template    *Template   `json:"template,omitempty"`
	Effort      *Effort     `json:"effort,omitempty"` // of the smoke checks, where they were run
	Answers     []Answer    `json:"answers,omitempty"`
	Needle      *Needle     `json:"needle,omitempty"` // where facts were hidden in a text
	Ollama      *Ollama     `json:"ollama,omitempty"` // where one was asked too
	Head        *Head       `json:"mtp,omitempty"`    // where there is one, and it was run
	Divergence  *Divergence `json:"divergence,omitempty"`
	Tensors     []Tensor    `json:"tensors,omitempty"`
	Tower       []Features  `json:"tower,omitempty"` // beside the reference's, in the order in which they are computed
	Ablations   []Ablation  `json:"ablations,omitempty"`
}

// Environment is what the checks were run on.
type Environment struct {
	Versions map[string]string `json:"versions"` // qimport, go, mlx, …
	Backend  string            `json:"backend"`  // cpu, cuda or metal; empty when nothing was run
	Platform string            `json:"platform"` // operating system and architecture
	// Dtypes are those of the delta state, decay, conv state, activations and weights, as read
	// from live arrays; empty when nothing was run.
	Dtypes map[string]string `json:"dtypes"`
}

// Answer is one prompt and what the model made of it.
type Answer struct {
	// Case and Turn count from 1 in conversations of several turns; else they are 0.
	Case     int       `json:"case,omitempty"`
	Turn     int       `json:"turn,omitempty"`
	Prompt   string    `json:"prompt"`
	Pictures []Picture `json:"pictures,omitempty"` // that stood before the prompt
	Results  []string  `json:"results,omitempty"`  // of tools, in place of a prompt
	Text     string    `json:"answer"`
	// Thought, Calls of tools and Content are what was read out of the text, where it is more than content.
	Thought string `json:"thought,omitempty"`
	Calls   []Call `json:"calls,omitempty"`
	Content string `json:"content,omitempty"`
	Expect  string `json:"expect,omitempty"` // the regular expression the answer was held to
	Tokens  int    `json:"tokens"`
	Stop    string `json:"stop"` // eos, length, stop or hopeless
}

// Judge sets Passed: true only if there is a check, and each of them was run and passed.
func (r *Report) Judge() {
	r.Passed = len(r.Checks) > 0
	for _, c := range r.Checks {
		r.Passed = r.Passed && c.Passed == Passed
	}
}

// Check finds a check by name.
func (r *Report) Check(name string) (Check, bool) {
	for _, c := range r.Checks {
		if c.Name == name {
			return c, true
		}
	}
	return Check{}, false
}

// Count says how many checks ended so.
func (r *Report) Count(o Outcome) int {
	n := 0
	for _, c := range r.Checks {
		if c.Passed == o {
			n++
		}
	}
	return n
}

// JSON is the report as one document, indented, with a newline at its end.
func (r *Report) JSON() ([]byte, error) {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("report of %s as JSON: %w", r.Name, err)
	}
	return append(b, '\n'), nil
}

// Parse reads what JSON wrote. A schema it does not know is an error.
func Parse(b []byte) (Report, error) {
	var r Report
	if err := json.Unmarshal(b, &r); err != nil {
		return Report{}, fmt.Errorf("verification report: %w", err)
	}
	if r.Schema != Schema {
		return Report{}, fmt.Errorf("verification report has schema %d, this program reads %d", r.Schema, Schema)
	}
	return r, nil
}
