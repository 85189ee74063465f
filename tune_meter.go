package qimport

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"qimport/convert/encode"
	"qimport/convert/plan"
	"qimport/convert/tune"
	"qimport/internal/replace"
	"qimport/internal/untrusted"
	"qimport/quant"
	"qimport/runtime"
	"qimport/runtime/mlx"
	"qimport/verify"
	"qimport/verify/score"
)

// tuneLength is how many tokens a passage has that is read.
const tuneLength = 128

// tuneMeter measures the divergence of the source with some tensors changed from the source as it is.
type tuneMeter struct {
	*tuning
	model    *runtime.Model
	engine   *encode.Engine
	tuned    *reading // what the mixture is chosen by
	held     *reading // held back from that, and what mixtures are measured on
	costs    *tune.Costs
	measured int
}

// reading is passages as the source has read them, from which changes go on.
type reading struct {
	texts     score.Texts
	trial     *runtime.Trial
	reference *score.File
}

// openMeter loads the source and reads the text through it once.
func (t *tuning) openMeter(ctx context.Context) (_ *tuneMeter, err error) {
	run, err := Running{Memory: t.Memory}.Options()
	if err != nil {
		return nil, err
	}
	texts, err := readTexts(t.Texts)
	if err != nil {
		return nil, err
	}
	run.Device, run.Compute = mlx.CPU, runtime.Quantized // weights where they lie, so that they can be others
	m := &tuneMeter{tuning: t, engine: encode.NewEngine(t.src, 0, encode.NewMeter(0, nil))}
	if m.model, err = runtime.Load(ctx, t.src.Source, run); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			m.close()
		}
	}()
	if len(texts) == 0 {
		if texts, err = builtInTexts(ctx, m.model); err != nil {
			return nil, err
		}
	}
	tuned, held, err := passages(m.model, texts, t.Tokens, t.Seed)
	if err != nil {
		return nil, err
	}
	if m.tuned, err = m.read(ctx, tuned); err != nil {
		return nil, err
	}
	if m.held, err = m.read(ctx, held); err != nil {
		return nil, err
	}
	return m, m.openCosts()
}

// passages are pieces of the texts, of one length, drawn among all that there are: some to choose by, and as many
// of the others, if there are so many, to measure on. A quarter of all is kept for that at least.
func passages(m *runtime.Model, texts []verify.Text, tokens int, seed uint64) (tuned, held score.Texts, err error) {
	var all score.Texts
	for _, text := range texts {
		ids := m.Tokenizer.Encode(text.Text)
		for len(ids) > tuneLength {
			all, ids = append(all, ids[:tuneLength+1]), ids[tuneLength:]
		}
	}
	if len(all) < 2 {
		return nil, nil, optionsf("--text: there are no two passages of %d tokens, each within one text: one to choose by, one to measure on", tuneLength+1)
	}
	rng := rand.New(rand.NewPCG(seed, tuneLength))
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	n := min(max(1, tokens/tuneLength), len(all)-(len(all)+3)/4)
	return all[:n], all[n:min(2*n, len(all))], nil
}

// read takes passages through the source, and keeps what it expects after each token in a file beside the recipe,
// which has no name any more while it is used.
func (m *tuneMeter) read(ctx context.Context, texts score.Texts) (_ *reading, err error) {
	dir, err := os.MkdirTemp(filepath.Dir(m.Out), ".tune-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	progress := begin(m.Watch, "tune")
	defer progress.End()
	progress.Step(fmt.Sprintf("reading %d tokens", texts.Positions()))
	file := filepath.Join(dir, "reference")
	w, err := score.Create(file, texts, map[string]string{})
	if err != nil {
		return nil, err
	}
	defer w.Abort()
	r := &reading{texts: texts}
	r.trial, err = m.model.NewTrial(ctx, texts.Contexts(), func(text, _ int, logits []float32) error { return w.Row(text, logits) })
	if err != nil {
		return nil, err
	}
	if err = w.Finish(); err == nil {
		r.reference, err = score.Open(file)
	}
	if err != nil {
		r.trial.Close()
		return nil, err
	}
	return r, nil
}

// close gives back what was read; nothing of one that was not.
func (r *reading) close() {
	if r != nil {
		r.reference.Close()
		r.trial.Close()
	}
}

// openCosts reads what an earlier run has measured of the same.
func (m *tuneMeter) openCosts() error {
	of, err := m.fingerprint(m.tuned.texts.Digest())
	if err != nil {
		return err
	}
	m.costs = tune.NewCosts(of)
	b, err := untrusted.ReadFile(m.tuning.costs(), tune.MaxCosts)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	kept, err := tune.ReadCosts(b)
	if err != nil {
		return fmt.Errorf("%s: %w; remove it, or choose another --out", m.tuning.costs(), err)
	}
	if kept.Of() != of {
		notef(m.Watch, "note: %s is of another source, text or way to measure, and is begun anew", m.tuning.costs())
		return nil
	}
	m.costs = kept
	return nil
}

// groups measures what each option of each group costs, where that is not known yet.
func (m *tuneMeter) groups(ctx context.Context, groups []tune.Group) error {
	progress := begin(m.Watch, "tune")
	defer progress.End()
	done, total := 0, 0
	for _, g := range groups {
		total += len(g.Options) - 1
	}
	for _, g := range groups {
		for i := range g.Options {
			o := &g.Options[i]
			if o.Format.IsKeep() {
				continue
			}
			if err := m.option(ctx, g.Name, o); err != nil {
				return err
			}
			done++
			progress.Step(fmt.Sprintf("%d of %d changes measured, %s", done, total, g.Name))
		}
	}
	m.measured = total
	return nil
}

// option measures one change, and keeps what it costs.
func (m *tuneMeter) option(ctx context.Context, group string, o *tune.Option) (err error) {
	known := false
	if o.KL, known = m.costs.Get(group, o.Format.String()); known {
		return nil
	}
	if o.KL, err = m.whole(ctx, m.tuned, o.Tensors); err != nil {
		return fmt.Errorf("%s as %s: %w", group, o.Format, err)
	}
	m.costs.Set(group, o.Format.String(), o.KL)
	return replace.WriteFile(m.tuning.costs(), m.costs.Append(nil), replace.Public)
}

// whole is the mean divergence of the model with the tensors as they would be written, of those that it
// multiplies by and that differ from the source's, over what was read.
func (m *tuneMeter) whole(ctx context.Context, r *reading, tensors []plan.Tensor) (float64, error) {
	planned := map[string]plan.Tensor{}
	var change runtime.Change
	for _, t := range tensors {
		if t.Target != t.Source && r.trial.Has(t.Name) {
			planned[t.Name] = t
			change.Tensors = append(change.Tensors, t.Name)
		}
	}
	change.Make = func(name string) (quant.Tensor, error) { return m.engine.InMemory(ctx, planned[name]) }
	positions := make([][]score.Position, len(r.texts))
	err := r.trial.Try(ctx, change, func(text, at int, logits []float32) error {
		reference, err := r.reference.Row(r.texts.Row(text, at))
		if err != nil {
			return err
		}
		positions[text] = append(positions[text], score.Compare(reference, logits, r.texts[text][at+1]))
		return nil
	})
	if err != nil {
		return 0, err
	}
	d := score.Summarize(slices.Concat(positions...))
	if d.NonFinite > 0 {
		return 0, fmt.Errorf("at %d of %d positions the model answers what is no number", d.NonFinite, d.Positions)
	}
	return d.MeanKL, nil
}

// method is how costs are found, for people.
func (m *tuneMeter) method() string {
	return fmt.Sprintf("each of %d single changes measured: mean KL divergence of the source with it from the source without, over %d positions", m.measured, m.tuned.texts.Positions())
}

func (m *tuneMeter) close() {
	m.tuned.close()
	m.held.close()
	m.model.Close()
}
