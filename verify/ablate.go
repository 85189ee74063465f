package verify

import (
	"context"
	"fmt"
	"strings"

	"qimport/quant"
	"qimport/runtime"
	"qimport/verify/report"
	"qimport/verify/score"
)

// Ablate names one ablation: which value of the gated delta rule is kept in bfloat16.
type Ablate string

// The ablations there are.
const (
	AblateState Ablate = "state=bf16"
	AblateDecay Ablate = "decay=bf16"
)

// ParseAblate reads an ablation as a user writes it.
func ParseAblate(s string) (Ablate, error) {
	switch a := Ablate(strings.ToLower(s)); a {
	case AblateState, AblateDecay:
		return a, nil
	}
	return "", fmt.Errorf("no ablation %q; known are %s and %s", s, AblateState, AblateDecay)
}

// checkAblation compares the float32 run with one in which the delta state or its decay is bf16.
// It passes if that was measured: what it shows is for people to read.
func (r *run) checkAblation(ctx context.Context, a Ablate) report.Check {
	own, err := r.ownScores(ctx)
	if err != nil {
		return notRun("%s", sentences(err))
	}
	r.unload()
	o := a.options(r.Runtime)
	m, err := runtime.Load(ctx, r.source, o)
	if err != nil {
		return notRun("%s", sentences(err))
	}
	defer m.Close()
	positions := make([][]score.Position, len(own.Texts))
	for text := range positions {
		var precision runtime.Precision
		if positions[text], precision, err = decoded(ctx, m, own, text); err != nil {
			return notRun("%s", sentences(err))
		}
		if got := a.dtype(precision); got != quant.BF16 {
			return notRun("the ablated run kept it in %s: nothing was ablated", got)
		}
	}
	d := r.divergenceOf(positions, own, "the float32 run")
	r.report.Ablations = append(r.report.Ablations, report.Ablation{What: string(a), Divergence: d})
	c := pass("mean KL divergence of the ablated run from the float32 run, nats")
	c.Value = number(d.MeanKL)
	return c
}

// options are those of the run, with the ablation.
func (a Ablate) options(o runtime.Options) runtime.Options {
	o.StateDtype, o.DecayDtype = quant.F32, quant.F32
	switch a {
	case AblateState:
		o.StateDtype = quant.BF16
	case AblateDecay:
		o.DecayDtype = quant.BF16
	}
	return o
}

// dtype is the one that the ablated value had, of a run's live arrays.
func (a Ablate) dtype(p runtime.Precision) quant.Dtype {
	if a == AblateDecay {
		return p.Decay
	}
	return p.DeltaState
}

// decoded runs one of the texts through the ablated model one token at a time, since prefill rounds
// the state between slices only, and compares each row with the float32 run's.
func decoded(ctx context.Context, ablated *runtime.Model, own *score.File, text int) ([]score.Position, runtime.Precision, error) {
	x := ablated.NewSession()
	defer x.Close()
	ids := own.Texts[text]
	positions := make([]score.Position, 0, len(ids)-1)
	for i, next := range ids[1:] {
		logits, err := x.Step(ctx, ids[i])
		if err != nil {
			return nil, x.Precision(), err
		}
		float, err := own.Row(own.Texts.Row(text, i))
		if err != nil {
			return nil, x.Precision(), err
		}
		positions = append(positions, score.Compare(float, logits, next))
	}
	return positions, x.Precision(), nil
}
