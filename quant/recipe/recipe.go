package recipe

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"qimport/quant"
)

// ErrRecipe marks a recipe that cannot be carried out: an unknown type or policy, a pattern that
// matches nothing, a rule that asks for the impossible.
var ErrRecipe = errors.New("recipe")

// Subject is what a recipe sees of a tensor.
type Subject struct {
	Name   string
	Shape  []int
	Source quant.Format
	Kept   quant.Format // what Source is stored as where it cannot be itself (FP8); else zero
	Expert bool         // the experts of one projection as one stack [E, out, in]
	Fixed  string       // why it can never be quantized ("norm", "decay", "vision tower"); "" if it may
}

// Rule gives the tensors that a pattern matches a format; the zero format keeps the source's.
type Rule struct {
	Pattern  string
	Format   quant.Format
	Origin   string // where it was written: "--override", "recipe.yaml line 3"
	Optional bool   // no error where it matches nothing, or only what later rules take
	Only     Kind   // of models that it is for
}

// Kind is what a rule may be for only: models whose layers have experts, or those whose have none.
type Kind uint8

// The kinds of models; a rule is for any unless it says otherwise.
const (
	Any Kind = iota
	Dense
	MoE
)

var kindNames = [...]string{Dense: "dense", MoE: "moe"}

func parseKind(name string) (Kind, error) {
	if i := slices.Index(kindNames[:], name); i > 0 {
		return Kind(i), nil
	}
	return Any, fmt.Errorf("%.40q is no kind of model; known are %s", name, strings.Join(kindNames[1:], ", "))
}

// String is the rule as a user finds it again.
func (r Rule) String() string {
	return fmt.Sprintf("%s '%s=%s'", r.Origin, r.Pattern, r.Format)
}

// Recipe says which tensor gets which format: the last rule that matches it, else the policy.
type Recipe struct {
	Policy Policy
	Type   quant.Format // what the policy gives out; the zero format leaves all as it is
	Rules  []Rule       // later ones win
	// AllowRequantize lets a quantized tensor become another quantized format.
	AllowRequantize bool
}

// Decision is the format of one tensor, and the words for the rule that chose it.
type Decision struct {
	Format quant.Format
	Rule   string
}

// ParseOverride reads PATTERN=TYPE as the command line takes it. The last equals sign divides, so
// that a regular expression may hold others.
func ParseOverride(s string) (Rule, error) {
	return parseRule(s, "--override")
}

func parseRule(s, origin string) (Rule, error) {
	i := strings.LastIndexByte(s, '=')
	if i < 0 {
		return Rule{}, fmt.Errorf("%w: %s '%s' is not PATTERN=TYPE, such as '**.down_proj=mxfp8'", ErrRecipe, origin, s)
	}
	pattern := strings.TrimSpace(s[:i])
	if _, err := parsePattern(pattern); err != nil {
		return Rule{}, fmt.Errorf("%w: %s '%s': %w", ErrRecipe, origin, s, err)
	}
	f, err := quant.ParseFormat(s[i+1:])
	if err != nil {
		return Rule{}, fmt.Errorf("%w: %s '%s': %w", ErrRecipe, origin, s, err)
	}
	return Rule{Pattern: pattern, Format: f, Origin: origin}, nil
}

// Decide gives every subject its format, in the order of the subjects. It reports all that is
// wrong with the recipe, not the first only; each finding wraps ErrRecipe.
func (r Recipe) Decide(subjects []Subject) ([]Decision, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	r.Rules = rulesFor(kindOf(subjects), r.Rules)
	chooser, err := newChooser(r.Rules)
	if err != nil {
		return nil, err
	}
	d := decider{recipe: r, chooser: chooser}
	out := make([]Decision, len(subjects))
	for i, s := range subjects {
		out[i] = d.decide(s)
	}
	chooser.report(&d.found, subjects)
	d.reportIdleType()
	if err := d.found.err(); err != nil {
		return nil, err
	}
	return out, nil
}

// kindOf says whether there are experts.
func kindOf(subjects []Subject) Kind {
	if slices.ContainsFunc(subjects, func(s Subject) bool { return s.Expert }) {
		return MoE
	}
	return Dense
}

// rulesFor leaves out the rules that are for another kind of model.
func rulesFor(kind Kind, rules []Rule) []Rule {
	return slices.DeleteFunc(slices.Clone(rules), func(r Rule) bool { return r.Only != Any && r.Only != kind })
}

// check refuses what is wrong whatever the tensors are.
func (r Recipe) check() error {
	if err := r.Type.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrRecipe, err)
	}
	if r.Policy == KeepSource && !r.Type.IsKeep() {
		return fmt.Errorf("%w: policy keep changes nothing, so type %s has no effect; leave one of the two out", ErrRecipe, r.Type)
	}
	return nil
}
