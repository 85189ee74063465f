package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"qimport/arch"
	"qimport/convert/source"
	"qimport/quant"
	"qimport/runtime"
	"qimport/verify/report"
)

// precisions are the different ones that sessions of the model had, each read from the live arrays
// after every step.
type precisions []runtime.Precision

// with adds one that is not there yet.
func (ps precisions) with(p runtime.Precision) precisions {
	if slices.Contains(ps, p) {
		return ps
	}
	return append(ps, p)
}

// dtypes are all that one kind of array had.
func (ps precisions) dtypes(of func(runtime.Precision) quant.Dtype) []string {
	var found []string
	for _, p := range ps {
		if d := of(p); d != quant.NoDtype && !slices.Contains(found, dtypeWord(d)) {
			found = append(found, dtypeWord(d))
		}
	}
	return found
}

// dtypeWord is a dtype as people write it: "float32".
func dtypeWord(d quant.Dtype) string {
	switch d {
	case quant.F32:
		return "float32"
	case quant.BF16:
		return "bfloat16"
	case quant.F16:
		return "float16"
	}
	return d.String()
}

// table is the dtypes of every kind of array, for the report.
func (ps precisions) table() map[string]string {
	kinds := map[string]func(runtime.Precision) quant.Dtype{
		"state": deltaState, "decay": decay,
		"conv state":  func(p runtime.Precision) quant.Dtype { return p.ConvState },
		"kv cache":    func(p runtime.Precision) quant.Dtype { return p.KV },
		"activations": func(p runtime.Precision) quant.Dtype { return p.Activations },
	}
	table := map[string]string{}
	for kind, of := range kinds {
		if found := ps.dtypes(of); len(found) > 0 {
			table[kind] = strings.Join(found, " and ")
		}
	}
	return table
}

func deltaState(p runtime.Precision) quant.Dtype { return p.DeltaState }
func decay(p runtime.Precision) quant.Dtype      { return p.Decay }

// judge asks for float32 and nothing else.
func (ps precisions) judge(what string, of func(runtime.Precision) quant.Dtype, rows int) report.Check {
	found := ps.dtypes(of)
	switch {
	case len(found) == 0:
		return notRun("no %s was seen: the model was not run", what)
	case len(found) > 1 || found[0] != dtypeWord(quant.F32):
		return fail("the %s was kept in %s, it must be float32", what, strings.Join(found, " and "))
	}
	return pass("the %s was float32 after every step to %d rows of logits, read from the live arrays", what, rows)
}

// checkState judges the dtype of the delta states.
func (r *run) checkState(context.Context) report.Check {
	return r.seen.judge("delta state", deltaState, r.rows)
}

// checkDecay judges the dtype of the live decays, and that of the parameters that they come from.
func (r *run) checkDecay(context.Context) report.Check {
	c := r.seen.judge("decay", decay, r.rows)
	if c.Passed != report.Passed {
		return c
	}
	coarse := coarseDecays(r.source.Inventory())
	if len(coarse) == 0 {
		return c
	}
	what := fmt.Sprintf("%d decays are stored narrower than float32, the first %s in %s", len(coarse), coarse[0].Name, coarse[0].Format)
	if r.Against != nil && len(coarseDecays(r.Against.Inventory())) >= len(coarse) {
		c.Warning = what + ", as the source has them"
		return c
	}
	return fail("%s: whoever wrote them rounded the decay of the delta state", what)
}

// coarseDecays are the A_log that are stored in less than float32. dt_bias is bf16 in every
// release, and does no harm: it is added once, where A_log is an exponent.
func coarseDecays(inv source.Inventory) []source.Tensor {
	var coarse []source.Tensor
	for _, t := range inv.Tensors {
		if t.Role == arch.State && strings.HasSuffix(t.Body, "A_log") && t.Format != quant.FormatF32 {
			coarse = append(coarse, t)
		}
	}
	return coarse
}
