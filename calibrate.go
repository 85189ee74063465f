package qimport

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"qimport/arch"
	"qimport/convert/calibration"
	"qimport/runtime"
	"qimport/runtime/chat"
	"qimport/runtime/mlx"
	"qimport/verify"
	"qimport/verify/language"
)

// calibrationTexts are read where the caller names none: prose, code and dialogue in several scripts, written
// for this.
//
//go:embed texts
var calibrationTexts embed.FS

// CalibrateOptions say what to run over what.
type CalibrateOptions struct {
	Source string
	Texts  []string // files; none is the built-in text
	Tokens int      // most of each; 0 is all
	Full   bool     // products of any two columns as well, which error feedback needs
	Memory string   // share of the machine's memory, as 0.5 or 50%; "" for the default
	Out    string   // file
	Join   []string // calibrations to join instead of running anything
	Watch  Watcher  // nil is no one
}

// CalibrateResult is what a calibration saw, as scripts read it.
type CalibrateResult struct {
	Schema   int     `json:"schema"`
	File     string  `json:"file"`
	Digest   string  `json:"digest"` // of the file
	Model    string  `json:"model"`
	Text     string  `json:"text"` // the digests of what was read
	Tokens   int64   `json:"tokens"`
	Tensors  int     `json:"tensors"`
	Full     int     `json:"second_moments"` // tensors that have them, for error feedback
	Experts  int     `json:"experts"`        // of all stacks
	Unchosen int     `json:"experts_unused"` // of those, never chosen
	Seconds  float64 `json:"seconds"`
}

func (o CalibrateOptions) check() error {
	switch {
	case o.Out == "":
		return optionsf("--out is missing: it names the file to write")
	case len(o.Join) > 0 && (o.Source != "" || len(o.Texts) > 0 || o.Tokens != 0):
		return optionsf("--join %s: files are joined without a source and texts", o.Join[0])
	case len(o.Join) > 0 && o.Full:
		return optionsf("--join %s: second moments are joined where all parts have them, without --full", o.Join[0])
	case len(o.Join) == 1:
		return optionsf("--join %s: name the other files to join as well", o.Join[0])
	case len(o.Join) == 0 && o.Source == "":
		return optionsf("it names no source")
	case o.Tokens < 0:
		return optionsf("--text-tokens %d: it is a number of tokens, or 0 for all", o.Tokens)
	}
	return checkPlace(o.Out)
}

// Calibrate runs a source over texts, a layer at a time, and writes the second moments of what goes into each
// of its linear maps and experts; or it joins such files. The file appears whole or not at all.
func Calibrate(ctx context.Context, o CalibrateOptions) (CalibrateResult, error) {
	start := time.Now()
	if err := o.check(); err != nil {
		return CalibrateResult{}, err
	}
	make := calibrate
	if len(o.Join) > 0 {
		make = joinCalibrations
	}
	c, err := make(ctx, o)
	if err != nil {
		return CalibrateResult{}, err
	}
	if err := c.Write(o.Out); err != nil {
		return CalibrateResult{}, err
	}
	r := CalibrateResult{Schema: 1, File: o.Out, Digest: c.Digest, Model: c.Model, Text: c.Text, Tokens: c.Tokens,
		Tensors: len(c.Tensors), Full: c.FullCount(), Seconds: time.Since(start).Seconds()}
	r.Unchosen, r.Experts = c.Unchosen()
	return r, nil
}

func joinCalibrations(_ context.Context, o CalibrateOptions) (*calibration.Calibration, error) {
	var parts []*calibration.Calibration
	for _, file := range o.Join {
		c, err := calibration.Read(file)
		if err != nil {
			return nil, err
		}
		parts = append(parts, c)
	}
	return calibration.Join(parts...)
}

func calibrate(ctx context.Context, o CalibrateOptions) (*calibration.Calibration, error) {
	texts, err := readTexts(o.Texts)
	if err != nil {
		return nil, err
	}
	run, err := Running{Memory: o.Memory}.Options()
	if err != nil {
		return nil, err
	}
	src, err := OpenSource(ctx, o.Source, o.Watch)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	c := &calibration.Calibration{Model: src.Label()}
	if c.Norm, err = calibration.NormOf(src.Source); err != nil {
		return nil, err
	}
	run.Device, run.Compute = mlx.CPU, runtime.Quantized // weights where they lie: a layer is read once
	m, err := runtime.Load(ctx, src.Source, run)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if len(texts) == 0 {
		if texts, err = builtInTexts(ctx, m); err != nil {
			return nil, err
		}
	}
	c.Text = digestOf(texts)
	moments, err := momentsOf(ctx, m, texts, o, c)
	if err != nil {
		return nil, err
	}
	if err := takeMoments(c, src, moments); err != nil || !o.Full {
		return c, err
	}
	return c, c.WeighTable(src.Source)
}

// momentsOf runs the model.
func momentsOf(ctx context.Context, m *runtime.Model, texts []verify.Text, o CalibrateOptions, c *calibration.Calibration) ([]runtime.Moments, error) {
	var sequences [][]int
	for _, text := range texts {
		ids := m.Tokenizer.Encode(text.Text)
		if o.Tokens > 0 {
			ids = ids[:min(len(ids), o.Tokens)]
		}
		if len(ids) == 0 {
			return nil, optionsf("--text %s: it is empty", text.Name)
		}
		sequences = append(sequences, ids)
		c.Tokens += int64(len(ids))
	}
	if o.Full {
		size := m.FullMoments()
		if m.Config.Output != arch.HeadTied {
			size.File += 4 * int64(m.Config.HiddenSize) * int64(m.Config.HiddenSize) // of the table
		}
		notef(o.Watch, "second moments take %.1f GB of memory while the text is read, and %.1f GB of the file", float64(size.Memory)/1e9, float64(size.File)/1e9)
		if n := len(size.Left); n > 0 {
			notef(o.Watch, "no room in %d GiB for the second moments of what goes into %d of the maps, %s and others with as many or more: import --method gptq searches scales there without error feedback", runtime.MaxFull>>30, n, size.Left[0])
		}
	}
	progress := begin(o.Watch, "calibrate")
	defer progress.End()
	progress.Step(fmt.Sprintf("%d tokens through %d layers", c.Tokens, m.Config.Layers))
	return m.Moments(ctx, sequences, o.Full, func(read int) { progress.Step(fmt.Sprintf("%d of %d tokens", read, c.Tokens)) })
}

// takeMoments keeps what was seen under the names that all forms of a model have in common.
func takeMoments(c *calibration.Calibration, src Source, moments []runtime.Moments) error {
	inv := src.Inventory()
	full := map[*[]float64][]float32{} // one for all maps that read the same input
	for _, t := range moments {
		if !slices.ContainsFunc(t.Rows, func(n int64) bool { return n > 0 }) {
			continue // a table that is looked up in, never multiplied by
		}
		known, ok := inv.Tensor(t.Tensor)
		if !ok {
			return fmt.Errorf("tensor %s was run and is not in %s", t.Tensor, inv.Origin)
		}
		kept := calibration.New(known.Body, t.In, t.Rows, t.Sums)
		if len(t.Full) > 0 {
			if full[&t.Full[0]] == nil {
				full[&t.Full[0]] = kept.WithFull(t.Full, t.FullRows).Full
			}
			kept.Full = full[&t.Full[0]]
		}
		c.Tensors = append(c.Tensors, kept)
	}
	return nil
}

// builtInTexts are the texts that are shipped, the dialogue in the model's chat form; a model without a
// template does without that.
func builtInTexts(ctx context.Context, m *runtime.Model) ([]verify.Text, error) {
	files, err := calibrationTexts.ReadDir("texts")
	if err != nil {
		return nil, err
	}
	l := language.Language{Tokenizer: m.Tokenizer, Template: m.Template}
	var texts []verify.Text
	for _, f := range files {
		b, err := calibrationTexts.ReadFile("texts/" + f.Name())
		if err != nil {
			return nil, err
		}
		text := string(b)
		if strings.HasSuffix(f.Name(), ".yaml") {
			if text, err = l.Conversations(ctx, b); errors.Is(err, chat.ErrNoTemplate) {
				continue
			}
			if err != nil {
				return nil, err
			}
		}
		texts = append(texts, verify.Text{Name: "built-in " + f.Name(), Text: text})
	}
	return texts, nil
}

// digestOf names the texts by their bytes, together.
func digestOf(texts []verify.Text) string {
	sum := sha256.New()
	for _, t := range texts {
		one := sha256.Sum256([]byte(t.Text))
		sum.Write(one[:])
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil))
}

// readCalibration reads a file, if one is named, and holds it to the source.
func readCalibration(src Source, file string) (*calibration.Calibration, error) {
	if file == "" {
		return nil, nil
	}
	c, err := calibration.Read(file)
	if err != nil {
		return nil, err
	}
	return c, c.CheckModel(src.Source)
}
