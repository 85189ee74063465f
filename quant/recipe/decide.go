package recipe

import (
	"errors"
	"fmt"
	"slices"

	"qimport/quant"
)

// decider carries one recipe over the subjects, and gathers what is wrong on the way.
type decider struct {
	recipe  Recipe
	chooser *chooser
	found   findings
	typed   bool         // the recipe's type, or what the policy makes of it, is some tensor's format
	blocked quant.Format // the first quantized source format that kept a tensor from it
}

func (d *decider) decide(s Subject) Decision {
	v := d.chooser.choose(s)
	switch {
	case v.split != "":
		d.found.add(v.split, s.Name)
		d.answer(v)
		return Decision{}
	case v.rule < 0:
		return d.byPolicy(s)
	}
	rule := d.recipe.Rules[v.rule]
	out, refusal := d.recipe.byRule(rule, s)
	if refusal != "" {
		d.found.add(fmt.Sprintf("%s: %s", rule, refusal), s.Name)
	}
	if refusal != "" || rule.Format.IsKeep() || out.Format == rule.Format {
		d.answer(v)
	}
	return out
}

// answer notes that the rules of a verdict have had their effect, be it a refusal.
func (d *decider) answer(v verdict) {
	for _, r := range v.rules {
		d.chooser.uses[r].answered = true
	}
}

// byPolicy decides a tensor that no rule names. What the source has quantized stays, unless a
// plain type was asked for or requantizing is allowed.
func (d *decider) byPolicy(s Subject) Decision {
	if s.Source.Mode == quant.Plain && !s.Source.Dtype.IsFloat() {
		return Decision{s.Source, "source: not floating point"}
	}
	t := d.recipe.Type
	f, why := d.recipe.Policy.choose(t, s)
	kept := keep(s, why)
	if s.Source.IsQuantized() {
		kept = keep(s, "source: already quantized")
	}
	if f.IsKeep() {
		return kept
	}
	if f != kept.Format && !d.recipe.mayRequantize(s.Source, f) {
		d.block(s)
		return kept
	}
	d.typed = true
	if f == kept.Format && s.Source.IsQuantized() {
		return kept
	}
	return Decision{f, why}
}

// block notes that a quantized source keeps a tensor from the type asked for. Where it cannot even
// stay what it is, nor as small, that is an error: nobody asks for four bits to get sixteen.
func (d *decider) block(s Subject) {
	if !s.Kept.IsKeep() && s.Kept.Mode != quant.Affine {
		d.found.add(fmt.Sprintf("type %s: %s", d.recipe.Type, secondTime(s.Source)), s.Name)
	}
	if d.blocked.IsKeep() {
		d.blocked = s.Source
	}
}

// mayRequantize says whether a tensor of format from may become f. A lossy format becomes another
// only where the loss was accepted. What cannot be stored as it is may always become what comes
// nearest: FP8 mxfp8, and nvfp4 with a global scale nvfp4 without.
func (r Recipe) mayRequantize(from, f quant.Format) bool {
	lossy := from.IsQuantized() && f.IsQuantized()
	return !lossy || r.AllowRequantize || from == f || from.Mode == quant.FP8 && f == quant.FormatMXFP8
}

func secondTime(f quant.Format) string {
	return fmt.Sprintf("%s would be quantized a second time; --allow-requantize accepts the loss", f)
}

// keep leaves a tensor as the source has it, as nearly as can be stored.
func keep(s Subject, why string) Decision {
	if s.Kept.IsKeep() {
		return Decision{s.Source, why}
	}
	return Decision{s.Kept, fmt.Sprintf("source: %s is stored as %s", s.Source, s.Kept)}
}

// byRule obeys a rule, or says why that cannot be done.
func (r Recipe) byRule(rule Rule, s Subject) (d Decision, refusal string) {
	f := rule.Format
	kept := keep(s, "")
	switch {
	case f.IsKeep() || f == kept.Format:
		return Decision{kept.Format, rule.String()}, ""
	case s.Source.Mode == quant.Plain && !s.Source.Dtype.IsFloat():
		return kept, fmt.Sprintf("%s is not floating point", s.Source)
	case s.Fixed != "" && f.IsQuantized():
		return kept, fmt.Sprintf("a tensor of the kind '%s' is never quantized; narrow the pattern", s.Fixed)
	case s.Fixed != "" && f != quant.FormatF32:
		return keep(s, fmt.Sprintf("source: %s is not rounded, so %s leaves it", s.Fixed, rule)), ""
	}
	if err := f.CheckShape(s.Shape); err != nil {
		return kept, err.Error()
	}
	if !r.mayRequantize(s.Source, f) {
		return kept, secondTime(s.Source)
	}
	return Decision{f, rule.String()}, ""
}

// reportIdleType adds that the type asked for has reached no tensor, which nobody can have meant.
func (d *decider) reportIdleType() {
	t := d.recipe.Type
	switch {
	case t.IsKeep() || d.typed || d.found.any():
	case !d.blocked.IsKeep():
		d.found.addLine(fmt.Sprintf("type %s reaches no tensor: the source is already quantized (%s); leave the type out to keep it, or accept the loss with --allow-requantize", t, d.blocked))
	default:
		d.found.addLine(fmt.Sprintf("type %s reaches no tensor: rules take those that could have it, or none fits", t))
	}
}

// findings gathers what is wrong, with equal findings about several tensors as one.
type findings struct {
	order []string
	names map[string][]string
}

// add notes a finding about a tensor; an empty finding is none.
func (f *findings) add(finding, name string) {
	if finding == "" {
		return
	}
	if f.names == nil {
		f.names = map[string][]string{}
	}
	if _, known := f.names[finding]; !known {
		f.order = append(f.order, finding)
	}
	f.names[finding] = append(f.names[finding], name)
}

// addLine notes a finding that is about no single tensor.
func (f *findings) addLine(finding string) {
	if finding != "" && !slices.Contains(f.order, finding) {
		f.order = append(f.order, finding)
	}
}

func (f *findings) any() bool { return len(f.order) > 0 }

func (f *findings) err() error {
	var errs []error
	for _, finding := range f.order {
		errs = append(errs, fmt.Errorf("%w: %s%s", ErrRecipe, finding, concerned(f.names[finding])))
	}
	return errors.Join(errs...)
}

// concerned names the tensors of a finding: one, or the first and how many more.
func concerned(names []string) string {
	switch len(names) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf(" (tensor %s)", names[0])
	}
	return fmt.Sprintf(" (tensor %s and %d more)", names[0], len(names)-1)
}
