package qimport

import (
	"context"
	"fmt"

	"qimport/convert/plan"
	"qimport/convert/tune"
	"qimport/quant/recipe"
	"qimport/verify/report"
)

// candidate is a mixture that may be chosen, with its plan and what it was measured to cost on held-back text.
type candidate struct {
	tune.Mixture
	name string // what else has this mixture, for people; "" where it was found by costs
	plan plan.Plan
	kl   float64
}

// rivals are the mixtures that anyone has without tuning, measured: all of it in one format, and the shipped
// recipes. Single costs need not add up, and then one of these may be better than what their sum says.
func (t *tuning) rivals(ctx context.Context, meter *tuneMeter) (all []candidate, err error) {
	for i, f := range t.formats {
		kl, err := meter.whole(ctx, meter.held, t.uniform[i])
		if err != nil {
			return nil, err
		}
		point := t.point(t.changedBytes(t.uniform[i]), kl)
		point.Format = f.String()
		t.report.Uniform = append(t.report.Uniform, point)
		if m, ok := tune.MixtureOf(t.groups, t.uniform[i]); ok {
			all = append(all, candidate{Mixture: m, name: point.Name(), kl: kl})
		}
	}
	for _, name := range recipe.ShippedNames() {
		m, ok, err := t.shipped(name)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue // it gives a format that may not be chosen here
		}
		kl, err := meter.whole(ctx, meter.held, t.tensorsOf(m))
		if err != nil {
			return nil, err
		}
		point := t.point(m.Bytes, kl)
		point.Recipe = name
		t.report.Shipped = append(t.report.Shipped, point)
		all = append(all, candidate{Mixture: m, name: point.Name(), kl: kl})
	}
	return all, nil
}

// shipped is the mixture that a shipped recipe makes of the groups, if their options have it.
func (t *tuning) shipped(name string) (tune.Mixture, bool, error) {
	text, known := recipe.OpenShipped(name)
	if !known {
		return tune.Mixture{}, false, fmt.Errorf("there is no recipe %s", name)
	}
	parsed, err := text.Parse()
	if err != nil {
		return tune.Mixture{}, false, err
	}
	tensors, _, err := plan.Tensors(t.src.Inventory(), parsed, t.options)
	if err != nil {
		return tune.Mixture{}, false, fmt.Errorf("by the recipe %s: %w", name, err)
	}
	m, ok := tune.MixtureOf(t.groups, tensors)
	return m, ok, nil
}

// best is the candidate that the target asks for, as measured.
func (t *tuning) best(chosen candidate, rivals []candidate) (candidate, error) {
	for _, r := range rivals {
		if !t.beats(r, chosen) {
			continue
		}
		var err error
		if r.plan, err = t.planOf(r.Mixture); err != nil {
			return candidate{}, err
		}
		if t.size == 0 || r.plan.Totals().BytesWritten <= t.size {
			chosen = r
		}
	}
	return chosen, nil
}

// beats says whether a rival is within the target and nearer to what it asks for: the least cost within the size,
// or the smallest within the cost. How large all blobs of a rival are, only its plan tells.
func (t *tuning) beats(r, chosen candidate) bool {
	if t.MaxKL > 0 {
		return r.kl <= t.MaxKL && r.Bytes < chosen.Bytes
	}
	return r.kl < chosen.kl && (t.TargetBPW == 0 || r.Bytes <= t.limit())
}

// beside says what the rivals cost, for the recipe.
func beside(r report.Tuning) (lines []string) {
	for _, p := range r.Rivals() {
		lines = append(lines, fmt.Sprintf("  %s: %.3g nats, %.2f bits", p.Name(), p.KL, p.Bits))
	}
	return lines
}
