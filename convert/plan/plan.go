package plan

import (
	"errors"
	"fmt"
	"slices"

	"qimport/arch"
	"qimport/convert/calibration"
	"qimport/convert/ollama"
	"qimport/convert/source"
	"qimport/manifest"
	"qimport/quant"
	"qimport/quant/recipe"
)

// Plan is what an import writes, blob by blob and in the order of the manifest. It is plain data,
// made without reading a weight; Write carries it out and decides nothing.
type Plan struct {
	Origin   string          // of the source
	Blobs    []Blob          // single tensors by name, then groups of experts by name
	Files    []string        // other files that are carried along, by name
	Config   manifest.Config // of the model, as the store keeps it
	Keys     []Key           // that config.json gets at its top
	Served   ollama.Model    // what Ollama is asked about it
	Dropped  []string        // tensors of the source that are left out, by name
	Unasked  []string        // tensors that are carried along, and nothing in the model's graph takes, by name
	Warnings []string        // one sentence each
	Shards   []source.Shard  // of the source
	// Feedback says that errors are fed back from column to column.
	Feedback bool
	// Calibration is that under which scales are searched; nil for none.
	Calibration *calibration.Calibration
	Adapters    []source.Adapter
}

// Blob is one safetensors blob of the store: a tensor, or the projections of one group of experts.
type Blob struct {
	Name     string
	Group    bool              // experts that the source has one by one
	Tensors  []Tensor          // by name
	Metadata map[string]string // of the blob's header; nil for unquantized tensors
	Bytes    int64             // header included
}

// Tensor is what becomes of one logical tensor.
type Tensor struct {
	Name      string
	Shape     []int // as written
	Source    quant.Format
	Target    quant.Format
	Scale     quant.Dtype // of affine scales and biases, as written
	Rule      string      // the rule that decided, for people
	Transform Transform
	Search    bool                // scales are searched for the least squared error
	Global    bool                // a .global_scale is written
	Weights   []float32           // what an error in each column weighs in the search, [experts, columns]; nil for all the same
	Moments   calibration.Moments // of the inputs, for error feedback; the zero value for none
	Bytes     int64
	From      source.Tensor // of the source
}

// MTP says what becomes of the tensors of the multi-token-prediction head.
type MTP uint8

// The choices. To Ollama, MTP tensors are a sign of raw norms, which it shifts: a head beside converted
// norms is kept by storing all of the model in release form. MTPAuto leaves out a head of which it cannot
// be told how to do that, MTPKeep refuses it.
const (
	MTPAuto MTP = iota
	MTPKeep
	MTPDrop
)

// Options are choices beside the recipe, and the few facts that headers do not tell.
type Options struct {
	MTP         MTP
	Release     bool // store a converted model in release form even without a head
	ScaleSearch bool // search scales wherever qimport encodes, in place of MLX's plain rule
	// Feedback, with ScaleSearch and a Calibration that has second moments, has columns make up for the errors
	// of those before them.
	Feedback bool
	// Calibration, with ScaleSearch, has the errors in each column weighed by what goes into it; nil for none.
	Calibration *calibration.Calibration
	Parts       Parts
	Facts       Facts
}

// New decides what becomes of every tensor of an inventory. It is pure: no files, no clock, no
// order of maps. An error wraps quant.ErrRecipe or ErrSource and holds all findings.
func New(inv source.Inventory, recipe recipe.Recipe, opts Options) (Plan, error) {
	tensors, dropped, err := Tensors(inv, recipe, opts)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{Origin: inv.Origin, Files: source.CarriedFiles(inv.Files), Dropped: dropped, Unasked: inv.Unasked, Shards: inv.Shards, Adapters: inv.Adapters, Calibration: opts.Calibration, Feedback: opts.Feedback}
	if p.Blobs, err = planBlobs(tensors); err != nil {
		return Plan{}, err
	}
	p.Config = storeConfig(inv, recipe, tensors, opts.Parts)
	p.Keys = topKeys(inv)
	p.Served = served(inv, p.Config, tensors)
	p.Warnings = append(slices.Clone(inv.Notes), warnings(inv, tensors, opts.MTP, dropped)...)
	p.Warnings = append(p.Warnings, warnKeys(p.Keys)...)
	p.Warnings = append(p.Warnings, warnUncalibrated(tensors, opts.Calibration)...)
	if opts.Feedback {
		p.Warnings = append(p.Warnings, warnNoFeedback(tensors)...)
	}
	return p, nil
}

// Tensors decides what becomes of every tensor, apart from the blobs that they go to, and names those
// that are left out.
func Tensors(inv source.Inventory, recipe recipe.Recipe, opts Options) (tensors []Tensor, dropped []string, err error) {
	if err := opts.checkFeedback(); err != nil {
		return nil, nil, err
	}
	kept, dropped, err := chooseTensors(inv, opts.MTP)
	if err != nil {
		return nil, nil, err
	}
	release := opts.Release && inv.NormForm == arch.NormsShifted || releases(inv, kept)
	decisions, err := recipe.Decide(subjects(kept, opts.Facts))
	if err != nil {
		return nil, nil, err
	}
	errs := []error{checkFused(kept, decisions, recipe)}
	for i, t := range kept {
		tp, err := planTensor(t, decisions[i], inv.Patches, opts.Facts.Exact[t.Name])
		if release && err == nil {
			err = tp.toRelease(inv, opts.Facts)
		}
		if opts.ScaleSearch && tp.searchable() {
			tp.searchScales()
			if err == nil {
				err = tp.weigh(opts.Calibration, opts.Feedback)
			}
		}
		errs = append(errs, err)
		tensors = append(tensors, tp)
	}
	return tensors, dropped, errors.Join(errs...)
}

// subjects is what a recipe sees of the tensors.
func subjects(tensors []source.Tensor, facts Facts) []recipe.Subject {
	out := make([]recipe.Subject, len(tensors))
	for i, t := range tensors {
		out[i] = recipe.Subject{
			Name: t.Name, Shape: t.Shape, Source: t.Format, Kept: keptAs(t, facts.Exact[t.Name]),
			Expert: t.Role == arch.Expert, Fixed: t.Role.Fixed(),
		}
	}
	return out
}

// keptAs is what a tensor is stored as where its own format cannot be stored; zero for all others.
// GPTQ and AWQ are affine where that has their groups, else of their scales' dtype, as their own tools
// decode them. FP8 with powers of two as block scales is mxfp8. With any others its numbers need bf16,
// and so do those of nvfp4 experts whose global scale cannot be folded into the block scales, integers
// that no affine format holds or whose groups lie apart, and whatever scales its layer's input.
func keptAs(t source.Tensor, exact bool) quant.Format {
	if t.Format.IsColumns() {
		if affine, ok := repacked(t); ok {
			return affine
		}
		return quant.PlainFormat(t.ScaleDtype)
	}
	switch {
	case t.ScalesInputs():
		return quant.FormatBF16
	case t.Format.Mode == quant.Int:
		if affine, _, ok := affineOf(t); ok && !t.Fused() {
			return affine
		}
		return quant.FormatBF16
	case t.Format.Mode == quant.FP8 && exact && !t.Fused():
		return quant.FormatMXFP8
	case (t.Format.Mode == quant.FP8 || dropsGlobal(t)) && (!exact || t.Fused()):
		return quant.FormatBF16
	}
	return quant.Format{}
}

// affineOf is the affine format that holds integers exactly, if there is one.
func affineOf(t source.Tensor) (quant.Format, quant.Dtype, bool) {
	if t.OutOfOrder() {
		return quant.Format{}, quant.NoDtype, false
	}
	return t.Format.AffineOf(quant.Columns(t.Shape), t.ScaleDtype)
}

// planTensor joins a tensor and the decision on it.
func planTensor(t source.Tensor, d recipe.Decision, patches source.Patches, exact bool) (Tensor, error) {
	tp := Tensor{Name: t.Name, Shape: t.Shape, Source: t.Format, Target: d.Format, Rule: d.Rule, From: t}
	tp.Scale = scaleDtype(t, d.Format)
	tp.Transform = chooseTransform(t, d.Format, patches, exact)
	if tp.Transform == Repack && t.Format.IsColumns() && !exact { // no bf16 or f16 is a zero point times a scale
		tp.Scale = quant.F32
	}
	if tp.Transform == ChannelsToFront {
		tp.Shape = channelsFirst(t.Shape)
	}
	tp.Global = t.Global != source.NoGlobal && tp.Transform == Copy
	layout, err := tp.Target.Layout(tp.Shape, tp.Scale)
	if err != nil {
		return Tensor{}, fmt.Errorf("tensor %s: %w", t.Name, err)
	}
	tp.Bytes = layout.Bytes()
	if tp.Global {
		tp.Bytes += int64(quant.F32.Size())
	}
	return tp, nil
}

// scaleDtype is the dtype of affine scales in the target: that of the source's numbers, and bf16
// for sources that have none, as MLX decodes them.
func scaleDtype(t source.Tensor, target quant.Format) quant.Dtype {
	affine, dtype, same := affineOf(t)
	switch {
	case target.Mode != quant.Affine:
		return quant.NoDtype
	case same && affine == target && !t.ScalesInputs():
		return dtype
	case t.Format.Mode == quant.Plain && t.Format.Dtype.IsFloat():
		return t.Format.Dtype
	case t.Format.Mode == quant.Affine || t.Format.IsColumns():
		return t.ScaleDtype
	}
	return quant.BF16
}
