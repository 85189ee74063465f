package attest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"qimport/verify/report"
)

// ErrPolicy marks a policy that cannot be read.
var ErrPolicy = errors.New("no such policy")

// maxPolicy bounds a policy, in bytes.
const maxPolicy = 4096

// Policy is what statements must say, beside that the verification did not fail.
type Policy struct {
	level            report.Level // none: any
	bounds           []bound
	checks           []string // that must have passed
	noWarnings       bool
	source, revision string
}

// bound holds what a check measured to a limit.
type bound struct {
	word  string
	check string
	limit float64
	least bool // the limit is the least, not the most
}

// boundWords are the words that name one.
func boundWords() []bound {
	return []bound{
		{word: "max-kl", check: "quality.kl"}, {word: "min-top1", check: "quality.top1", least: true},
		{word: "max-ppl-increase", check: "quality.perplexity"}, {word: "min-needle", check: "smoke.needle", least: true},
	}
}

// ParsePolicy reads words as "level=quality,max-kl=0.1". The error is ErrPolicy.
func ParsePolicy(text string) (p Policy, err error) {
	p.level = report.None
	if len(text) > maxPolicy {
		return p, fmt.Errorf("%w: it has %d bytes, more than the %d that are read", ErrPolicy, len(text), maxPolicy)
	}
	if strings.TrimSpace(text) == "" {
		return p, nil
	}
	for word := range strings.SplitSeq(text, ",") {
		if err := p.add(strings.TrimSpace(word)); err != nil {
			return Policy{}, err
		}
	}
	return p, nil
}

func (p *Policy) add(text string) error {
	word, value, _ := strings.Cut(text, "=")
	if value == "" {
		return fmt.Errorf("%w: %.80q is not WORD=VALUE; words are level, max-kl, min-top1, max-ppl-increase, min-needle, check, warnings, source and revision", ErrPolicy, text)
	}
	switch word {
	case "level":
		level, err := report.ParseLevel(value)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrPolicy, err)
		}
		p.level = level
	case "check":
		p.checks = append(p.checks, value)
	case "warnings":
		if value != "no" {
			return fmt.Errorf("%w: warnings=%.80q; it is warnings=no, or nothing", ErrPolicy, value)
		}
		p.noWarnings = true
	case "source":
		p.source = value
	case "revision":
		p.revision = value
	default:
		return p.addBound(word, value)
	}
	return nil
}

func (p *Policy) addBound(word, value string) error {
	for _, b := range boundWords() {
		if b.word != word {
			continue
		}
		limit, err := strconv.ParseFloat(value, 64)
		if err != nil || math.IsNaN(limit) || math.IsInf(limit, 0) {
			return fmt.Errorf("%w: %s=%.80q is not a number", ErrPolicy, word, value)
		}
		b.limit = limit
		p.bounds = append(p.bounds, b)
		return nil
	}
	return fmt.Errorf("%w: %.80q is none of level, max-kl, min-top1, max-ppl-increase, min-needle, check, warnings, source and revision", ErrPolicy, word)
}

// AsksForVerdict says whether more is demanded than where something comes from: of what was verified.
func (p Policy) AsksForVerdict() bool {
	return p.level != report.None || len(p.bounds) > 0 || len(p.checks) > 0 || p.noWarnings
}

// Demand is one thing that was asked of a model's statements, and the answer.
type Demand struct {
	Name   string `json:"name"`
	Passed bool   `json:"passed"`
	Detail string `json:"detail"`
}

// Result is what a signed test result answers to the policy.
func (p Policy) Result(t TestResult) []Demand {
	all := []Demand{{"result", t.Result != ResultFailed, fmt.Sprintf("%s: %d passed, %d warned, %d failed%s",
		t.Result, len(t.PassedTests), len(t.WarnedTests), len(t.FailedTests), among(t.FailedTests))}}
	if p.level != report.None {
		all = append(all, Demand{"level", t.Level().Covers(p.level), fmt.Sprintf("%.80s, %s is asked for", t.Level(), p.level)})
	}
	for _, b := range p.bounds {
		all = append(all, b.judge(t))
	}
	for _, name := range p.checks {
		passed := slices.Contains(t.PassedTests, name) || slices.Contains(t.WarnedTests, name)
		detail := "passed"
		switch {
		case slices.Contains(t.FailedTests, name):
			passed, detail = false, "failed"
		case !passed:
			detail = "was not run"
		}
		all = append(all, Demand{"check " + name, passed, detail})
	}
	if p.noWarnings {
		all = append(all, Demand{"warnings", len(t.WarnedTests) == 0, fmt.Sprintf("%d checks warned%s", len(t.WarnedTests), among(t.WarnedTests))})
	}
	return all
}

func (b bound) judge(t TestResult) Demand {
	got, ok := t.value(b.check)
	if !ok {
		return Demand{b.word, false, b.check + " was not measured"}
	}
	if b.least {
		return Demand{b.word, got >= b.limit, fmt.Sprintf("%s is %.4g, at least %g is asked for", b.check, got, b.limit)}
	}
	return Demand{b.word, got <= b.limit, fmt.Sprintf("%s is %.4g, at most %g is asked for", b.check, got, b.limit)}
}

// Origin is what a signed provenance answers; nil is none.
func (p Policy) Origin(o *Origin) (all []Demand) {
	for _, c := range []struct{ word, want, got string }{
		{"source", p.source, from(o).Source}, {"revision", p.revision, from(o).Revision},
	} {
		if c.want == "" {
			continue
		}
		detail := fmt.Sprintf("%.200s", c.got)
		switch {
		case o == nil:
			detail = "no provenance is signed"
		case c.got == "":
			detail = "the provenance does not say"
		case c.got != c.want:
			detail += ", not " + c.want
		}
		all = append(all, Demand{c.word, o != nil && c.got == c.want, detail})
	}
	return all
}

func from(o *Origin) Origin {
	if o == nil {
		return Origin{}
	}
	return *o
}

// shownTests is how many checks a sentence names.
const shownTests = 3

func among(names []string) string {
	if len(names) == 0 {
		return ""
	}
	shown := names[:min(len(names), shownTests)]
	text := " (" + strings.Join(shown, ", ")
	if len(names) > len(shown) {
		text += ", …"
	}
	return text + ")"
}
