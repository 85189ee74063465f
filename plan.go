package qimport

import (
	"context"

	"qimport/convert/adapter"
	"qimport/convert/encode"
	"qimport/convert/ollama"
	"qimport/convert/plan"
	"qimport/convert/write"
	"qimport/manifest"
	"qimport/quant/recipe"
)

// PlanOptions say which tensor becomes what.
type PlanOptions struct {
	Recipe      recipe.Recipe
	MTP         plan.MTP
	MTPFrom     string         // SOURCE of the multi-token-prediction head that the model has lost; "" for none
	ScaleSearch bool           // scales of least squared error, in place of MLX's plain rule
	Calibration string         // file by which ScaleSearch weighs errors; "" for none
	Feedback    bool           // ScaleSearch with error feedback from column to column, by the Calibration
	Adapters    []adapter.Spec // fused in, one after the other
}

// Planned is what an import would write, and the room there is for it.
type Planned struct {
	plan.Plan
	PeakMemory int64 // bytes that carrying it out needs
	Space      manifest.Space
	NoSpace    error    // why the store cannot take it; nil if it can
	Values     []string // findings about the weights' values; nil where they were not read
	Ollama     ollama.Answer
	Laid       []plan.LaidOver // over the weights
}

// Report is the plan as scripts read it.
func (p Planned) Report() plan.Report {
	r := p.Plan.Report(p.PeakMemory, p.Space.Free)
	r.Values, r.Ollama, r.Laid = p.Values, p.Ollama, p.Laid
	return r
}

// Plan says what Import would write into the store. It reads headers and small files of the source,
// which it fetches into the Hugging Face cache if need be, and changes nothing else.
func Plan(ctx context.Context, store *manifest.Store, o ImportOptions) (Planned, error) {
	src, err := openWhole(ctx, o.Source, o.Plan.MTPFrom, o.Plan.Adapters, o.Watch)
	if err != nil {
		return Planned{}, err
	}
	defer src.Close()
	name, err := importName(store, src, o)
	if err != nil {
		return Planned{}, err
	}
	over, err := composed(store, name, o.Lay, o.Watch)
	if err != nil {
		return Planned{}, err
	}
	p, err := makePlan(ctx, src, o.Plan, over.parts)
	if err != nil {
		return Planned{}, err
	}
	answer, err := o.For.judge(p)
	if err != nil {
		return Planned{}, err
	}
	out := Planned{Plan: p, PeakMemory: encode.PeakMemory(p, o.Jobs), Ollama: answer, Laid: over.list()}
	over.warnTemplate(p.Config.Renderer, o.Watch)
	if o.Values {
		if out.Values, err = lookAtValues(ctx, src, p, o); err != nil {
			return Planned{}, err
		}
	}
	bytes, err := stillToWrite(store, p)
	if err != nil {
		return Planned{}, err
	}
	out.Space, out.NoSpace = store.Preflight(bytes)
	return out, nil
}

// lookAtValues reads and encodes all weights, keeps nothing, and says what an import would say of them.
func lookAtValues(ctx context.Context, src Source, p plan.Plan, o ImportOptions) ([]string, error) {
	progress := begin(o.Watch, "read")
	defer progress.End()
	engine := encode.NewEngine(src, o.Jobs, encode.NewMeter(p.Totals().BytesRead, encoding(progress)))
	findings, err := engine.Look(ctx, p)
	return append([]string{}, findings...), err
}

// stillToWrite is the bytes of blobs that neither an interrupted import nor the store has.
func stillToWrite(store *manifest.Store, p plan.Plan) (int64, error) {
	fingerprint, err := write.Fingerprint(p)
	if err != nil {
		return 0, err
	}
	index, err := write.OpenIndex(store)
	if err != nil {
		return 0, err
	}
	staged := store.Staged(fingerprint)
	done := func(blob string) bool { _, ok := staged[blob]; return ok }
	return write.Remaining(p, index, done, store.Has)
}

// makePlan decides what becomes of every tensor of a source.
func makePlan(ctx context.Context, src Source, o PlanOptions, parts plan.Parts) (plan.Plan, error) {
	calibrated, err := readCalibration(src, o.Calibration)
	if err != nil {
		return plan.Plan{}, err
	}
	return plan.Make(ctx, src.Source, o.Recipe, plan.Options{MTP: o.MTP, ScaleSearch: o.ScaleSearch, Calibration: calibrated, Feedback: o.Feedback, Parts: parts})
}
