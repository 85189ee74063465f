package qimport

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"qimport/convert/plan"
	"qimport/convert/tune"
	"qimport/convert/write"
	"qimport/quant"
	"qimport/quant/recipe"
	"qimport/verify/report"
)

// TuneOptions say which mixture of formats to look for. One of the three targets is given.
type TuneOptions struct {
	Source string

	TargetBPW  float64 // bits a weight, over all tensors
	TargetSize string  // of all blobs with tensors, as 1.2GB
	MaxKL      float64 // mean divergence over the text, nats

	Formats []string // that may be chosen, beside that of the source; none is DefaultTuneFormats
	By      string   // layer or kind; "" is layer
	For     string   // ollama or ollama@VERSION: a format that it would not run is an error
	Texts   []string // files; none is the built-in text
	Tokens  int      // of all of them together that are chosen by; 0 is DefaultTuneTokens
	Seed    uint64   // chooses the passages that are read

	ScaleSearch bool
	Calibration string // file
	Method      string // of the search: search or gptq; "" is search

	Memory  string // share of the machine's memory
	Out     string // the recipe's file; what was measured is kept beside it, in OUT.costs.json
	Reports []string
	Watch   Watcher // nil is no one
}

// DefaultTuneTokens is how many tokens are read.
const DefaultTuneTokens = 1024

// DefaultTuneFormats are those that Ollama's runner reads.
func DefaultTuneFormats() []string { return []string{"mxfp4", "nvfp4", "int4", "mxfp8", "int8"} }

func (o TuneOptions) check() error {
	targets := 0
	for _, given := range []bool{o.TargetBPW != 0, o.TargetSize != "", o.MaxKL != 0} {
		if given {
			targets++
		}
	}
	switch {
	case targets != 1:
		return optionsf("it names %d targets: give one of --target-bpw, --target-size and --max-kl", targets)
	case o.TargetBPW < 0 || o.MaxKL < 0 || math.IsNaN(o.TargetBPW+o.MaxKL) || math.IsInf(o.TargetBPW+o.MaxKL, 0):
		return optionsf("the target must be above 0")
	case o.Out == "":
		return optionsf("--out is missing: it names the recipe to write")
	case o.Tokens < 0 || o.Tokens > 0 && o.Tokens < tuneLength:
		return optionsf("--text-tokens %d: it is a number of tokens, %d at least", o.Tokens, tuneLength)
	case o.Method == "gptq" && o.Calibration == "":
		return optionsf("--method gptq: it needs a --calibration, made with qimport calibrate --full")
	case o.Calibration != "" && !o.ScaleSearch && o.Method != "gptq":
		return optionsf("--calibration %s: it is for --scale-search, which is missing", o.Calibration)
	}
	for _, file := range o.Reports {
		if ext := filepath.Ext(file); ext != ".html" && ext != ".json" {
			return optionsf("--report %s: the file's ending must be .html or .json", file)
		}
	}
	for _, file := range append([]string{o.Out, o.costs()}, o.Reports...) {
		if err := checkPlace(file); err != nil {
			return err
		}
	}
	return nil
}

// costs is the file that keeps what was measured.
func (o TuneOptions) costs() string { return o.Out + ".costs.json" }

// tuning is one run of Tune.
type tuning struct {
	TuneOptions
	size    int64 // that TargetSize says
	by      tune.By
	formats []quant.Format
	src     Source
	options plan.Options
	kept    []plan.Tensor   // all tensors as the source has them
	uniform [][]plan.Tensor // the same in each of the formats
	groups  []tune.Group
	grouped map[string]bool // the tensors in groups
	fixed   int64           // bytes of those that are in none
	weights int64           // of all tensors
	report  report.Tuning
	text    string // of the recipe
}

// Tune measures what each group of tensors costs in each format it may take, by the divergence of the model with
// this one change, chooses the mixture of least predicted divergence, measures that on text that was held back, and
// writes a recipe that gives it. What was measured is kept beside the recipe, and a later run goes on from there.
func Tune(ctx context.Context, o TuneOptions) (report.Tuning, error) {
	start := time.Now()
	t, err := newTuning(ctx, o)
	if err != nil {
		return report.Tuning{}, err
	}
	defer t.src.Close()
	if err := t.planAll(ctx); err != nil {
		return report.Tuning{}, err
	}
	meter, err := t.openMeter(ctx)
	if err != nil {
		return report.Tuning{}, err
	}
	defer meter.close()
	t.groups = tune.Groups(t.kept, t.uniform, t.by, meter.tuned.trial.Has)
	if len(t.groups) == 0 {
		return report.Tuning{}, t.nothing()
	}
	t.count()
	if err := meter.groups(ctx, t.groups); err != nil {
		return report.Tuning{}, err
	}
	if err := t.choose(ctx, meter); err != nil {
		return report.Tuning{}, err
	}
	t.report.Seconds = time.Since(start).Seconds()
	return t.report, t.write()
}

// newTuning reads the words and opens the source.
func newTuning(ctx context.Context, o TuneOptions) (*tuning, error) {
	if o.Tokens == 0 {
		o.Tokens = DefaultTuneTokens
	}
	if len(o.Formats) == 0 {
		o.Formats = DefaultTuneFormats()
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	t := &tuning{TuneOptions: o}
	var err error
	if t.options.Feedback, err = parseMethod(o.Method); err != nil {
		return nil, err
	}
	t.options.ScaleSearch = o.ScaleSearch || t.options.Feedback
	if o.TargetSize != "" {
		size, err := humanize.ParseBytes(o.TargetSize)
		if err != nil || size == 0 || size > math.MaxInt64 {
			return nil, optionsf("--target-size %s: it is a size such as 1.2GB", o.TargetSize)
		}
		t.size = int64(size)
	}
	if t.by, err = tune.ParseBy(o.By); err != nil {
		return nil, optionsf("--by: %w", err)
	}
	for _, name := range o.Formats {
		f, err := quant.ParseFormat(name)
		if err != nil {
			return nil, err
		}
		if !f.IsQuantized() {
			return nil, optionsf("--formats %s: it is no quantized type; that of the source is among the choices in any case", name)
		}
		if !slices.Contains(t.formats, f) {
			t.formats = append(t.formats, f)
		}
	}
	t.src, err = OpenSource(ctx, o.Source, o.Watch)
	return t, err
}

// planAll plans the model as the source has it, and all of it in each format.
func (t *tuning) planAll(ctx context.Context) error {
	audience, err := ParseAudience(t.For)
	if err != nil {
		return err
	}
	if t.options.Calibration, err = readCalibration(t.src, t.Calibration); err != nil {
		return err
	}
	if t.options.Facts, err = plan.ReadFacts(ctx, t.src.Source); err != nil {
		return err
	}
	inv := t.src.Inventory()
	if t.kept, _, err = plan.Tensors(inv, recipe.Recipe{Policy: recipe.KeepSource}, t.options); err != nil {
		return err
	}
	if !slices.ContainsFunc(t.kept, mayChange) {
		return t.nothing()
	}
	for _, f := range t.formats {
		uniform := recipe.Recipe{Policy: recipe.Uniform, Type: f}
		p, err := plan.New(inv, uniform, t.options)
		if err == nil {
			_, err = audience.judge(p)
		}
		if err != nil {
			return fmt.Errorf("with all of it in %s: %w", f, err)
		}
		tensors, _, err := plan.Tensors(inv, uniform, t.options)
		if err != nil {
			return err
		}
		t.uniform = append(t.uniform, tensors)
	}
	return nil
}

// mayChange says whether a tensor is a matrix that the source has not quantized.
func mayChange(t plan.Tensor) bool {
	return t.Source.Mode == quant.Plain && t.Source.Dtype.IsFloat() && t.From.Role.Fixed() == "" && len(t.Shape) > 1
}

// nothing says that there is nothing to choose.
func (t *tuning) nothing() error {
	return fmt.Errorf("%s has no tensor that could be in another format, since it is quantized already: name the release, or a conversion in bf16", t.Source)
}

// choose finds the mixture, measures it and the uniform formats, and makes the report.
func (t *tuning) choose(ctx context.Context, meter *tuneMeter) error {
	frontier := tune.Frontier(t.groups)
	m, p, kl, err := t.find(ctx, meter, frontier)
	if err != nil {
		return err
	}
	rivals, err := t.rivals(ctx, meter)
	if err != nil {
		return err
	}
	chosen, err := t.best(candidate{Mixture: m, plan: p, kl: kl}, rivals)
	if err != nil {
		return err
	}
	m = chosen.Mixture
	same, err := meter.whole(ctx, meter.tuned, t.tensorsOf(m))
	if err != nil {
		return err
	}
	totals := chosen.plan.Totals()
	r := &t.report
	*r = report.Tuning{Schema: 1, Source: t.src.Label(), Recipe: t.Out, By: cmp.Or(t.By, "layer"), Method: meter.method(),
		Text: meter.tuned.texts.Digest(), Positions: meter.tuned.texts.Positions(), Measured: meter.measured,
		HeldText: meter.held.texts.Digest(), HeldPositions: meter.held.texts.Positions(),
		Fixed: t.fixed, Predicted: m.KL, Same: same, Written: totals.BytesWritten, Bits: totals.BitsPerWeight, Command: t.command(),
		Uniform: r.Uniform, Shipped: r.Shipped, As: chosen.name}
	r.Chosen = t.point(m.Bytes, chosen.kl)
	const shown = 200
	for i, f := range frontier {
		if i%max(1, len(frontier)/shown) == 0 || i+1 == len(frontier) {
			r.Frontier = append(r.Frontier, t.point(f.Bytes, f.KL))
		}
	}
	for g, group := range t.groups {
		tuned := report.TunedGroup{Name: group.Name, Tensors: len(group.Members), Format: group.Options[m.Choice[g]].Format.String()}
		for _, o := range group.Options {
			tuned.Options = append(tuned.Options, report.TunedOption{Format: o.Format.String(), Bytes: o.Bytes, KL: o.KL})
		}
		r.Groups = append(r.Groups, tuned)
	}
	t.compose(m)
	return nil
}

// find is the mixture that the target asks for, its plan and what it was measured to cost. Sizes are those of
// the plan, and what costs at most so much is what is measured to: where the first choice misses it, a tighter
// one is made.
func (t *tuning) find(ctx context.Context, meter *tuneMeter, frontier []tune.Mixture) (m tune.Mixture, p plan.Plan, kl float64, err error) {
	const tries = 8
	limit, most := t.limit(), t.MaxKL
	for range tries {
		ok := false
		if t.MaxKL > 0 {
			m, ok = tune.AtMost(frontier, most)
		} else {
			m, ok = tune.Within(frontier, limit)
		}
		if !ok {
			least := t.point(frontier[0].Bytes, frontier[0].KL)
			return m, p, 0, optionsf("no mixture of these formats is so small: the least has %.2f bits a weight, %s with what stays as it is", least.Bits, humanize.Bytes(uint64(least.Bytes)))
		}
		if p, err = t.planOf(m); err != nil {
			return m, p, 0, err
		}
		if over := p.Totals().BytesWritten - t.size; t.size > 0 && over > 0 {
			limit = m.Bytes - over
			continue
		}
		if kl, err = meter.whole(ctx, meter.held, t.tensorsOf(m)); err != nil {
			return m, p, 0, err
		}
		if t.MaxKL == 0 || kl <= t.MaxKL {
			return m, p, kl, nil
		}
		most = min(most, m.KL) * t.MaxKL / kl * 0.98
	}
	return m, p, kl, fmt.Errorf("after %d tries the mixture is still over the target: it has %s and costs %.3g nats", tries, humanize.Bytes(uint64(p.Totals().BytesWritten)), kl)
}

// limit is the bytes that groups may have.
func (t *tuning) limit() int64 {
	if t.size > 0 {
		return t.size - t.fixed
	}
	const rounding = 0.01 // of a byte: as many bits as a plan says must be found to be so many
	return int64(t.TargetBPW*float64(t.weights)/8+rounding) - t.fixed
}

// planOf is the plan of an import by the recipe of a mixture, which must give what was chosen.
func (t *tuning) planOf(m tune.Mixture) (plan.Plan, error) {
	parsed, err := recipe.Parse(strings.NewReader(tune.Recipe(t.groups, m, t.kept, nil)), t.Out)
	if err != nil {
		return plan.Plan{}, err
	}
	p, err := plan.New(t.src.Inventory(), parsed, t.options)
	if err != nil {
		return p, err
	}
	want := map[string]quant.Format{}
	for _, tensor := range t.tensorsOf(m) {
		want[tensor.Name] = tensor.Target
	}
	for _, b := range p.Blobs {
		for _, tensor := range b.Tensors {
			if f, chosen := want[tensor.Name]; chosen && f != tensor.Target {
				return p, fmt.Errorf("tensor %s: the recipe gives it %s, where %s was chosen", tensor.Name, tensor.Target, f)
			}
		}
	}
	return p, nil
}

// tensorsOf are the tensors of the groups as a mixture has them.
func (t *tuning) tensorsOf(m tune.Mixture) (all []plan.Tensor) {
	for g, group := range t.groups {
		all = append(all, group.Options[m.Choice[g]].Tensors...)
	}
	return all
}

// count adds up what every mixture has in common.
func (t *tuning) count() {
	t.grouped = map[string]bool{}
	for _, g := range t.groups {
		for _, name := range g.Members {
			t.grouped[name] = true
		}
	}
	for _, tensor := range t.kept {
		t.weights += int64(quant.Elements(tensor.Shape))
		if !t.grouped[tensor.Name] {
			t.fixed += tensor.Bytes
		}
	}
}

// changedBytes are those of the tensors in groups, of a list of all.
func (t *tuning) changedBytes(all []plan.Tensor) (n int64) {
	for _, tensor := range all {
		if t.grouped[tensor.Name] {
			n += tensor.Bytes
		}
	}
	return n
}

// point is a mixture whose groups have so many bytes.
func (t *tuning) point(bytes int64, kl float64) report.TunedPoint {
	all := bytes + t.fixed
	return report.TunedPoint{Bytes: all, Bits: 8 * float64(all) / float64(t.weights), KL: kl}
}

// fingerprint is of all that a cost follows from, beside its group and format.
func (t *tuning) fingerprint(text string) (string, error) {
	p, err := plan.New(t.src.Inventory(), recipe.Recipe{Policy: recipe.KeepSource}, t.options)
	if err != nil {
		return "", err
	}
	source, err := write.Fingerprint(p)
	if err != nil {
		return "", err
	}
	of := fmt.Sprintf("source %s, text %s, by %s", source, text, cmp.Or(t.By, "layer"))
	switch {
	case t.options.Feedback:
		of += ", error feedback"
	case t.options.ScaleSearch:
		of += ", scale search"
	}
	if c := t.options.Calibration; c != nil {
		of += " calibrated by " + c.Digest
	}
	return of, nil
}
