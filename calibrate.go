package qimport

import (
	"cmp"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"qimport/convert/calibration"
	"qimport/manifest"
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
	// FullSize is the most that these take in the file, as 16GiB; "" is DefaultFullSize.
	FullSize string
	Memory   string   // share of the machine's memory, as 0.5 or 50%; "" for the default
	Out      string   // file
	Join     []string // calibrations to join instead of running anything
	Watch    Watcher  // nil is no one
}

// DefaultFullSize is the most that second moments take in a file, unless another size is named.
const DefaultFullSize = "16GiB"

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
	if _, err := o.room(); err != nil {
		return err
	}
	return checkPlace(o.Out)
}

// room is how many bytes second moments may take.
func (o CalibrateOptions) room() (int64, error) {
	switch {
	case !o.Full && o.FullSize != "":
		return 0, optionsf("--full-size %s: it bounds what --full keeps, which is missing", o.FullSize)
	case !o.Full:
		return 0, nil
	}
	size, err := humanize.ParseBytes(cmp.Or(o.FullSize, DefaultFullSize))
	if err != nil || size == 0 || size > math.MaxInt64 {
		return 0, optionsf("--full-size %s: it is a size such as 16GiB", o.FullSize)
	}
	return int64(size), nil
}

// Calibrate runs a source over texts, a layer at a time, and writes the second moments of what goes into each
// of its linear maps and experts, as each layer is done; or it joins such files. The file appears whole or not at all.
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
	c, err := calibration.Join(parts...)
	if err != nil {
		return nil, err
	}
	return c, c.Write(o.Out)
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
	sequences, err := tokensOf(m, texts, o, c)
	if err != nil {
		return nil, err
	}
	return writeMoments(ctx, m, src, sequences, o, c)
}

// tokensOf are the tokens of each text that are read.
func tokensOf(m *runtime.Model, texts []verify.Text, o CalibrateOptions, c *calibration.Calibration) (sequences [][]int, err error) {
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
	return sequences, nil
}

// writeMoments runs the model, and writes what is seen of a layer when it is done. It returns what the file holds.
func writeMoments(ctx context.Context, m *runtime.Model, src Source, sequences [][]int, o CalibrateOptions, c *calibration.Calibration) (*calibration.Calibration, error) {
	room, err := o.room()
	if err != nil {
		return nil, err
	}
	inputs := m.Inputs(room)
	names, err := placeInputs(c, src, inputs)
	if err != nil {
		return nil, err
	}
	size := runtime.SizeOf(inputs)
	if o.Full {
		size.File += c.PlaceTable(src.Source)
	}
	if err := o.tellFull(size, room); err != nil {
		return nil, err
	}
	w, err := calibration.Create(o.Out, c)
	if err != nil {
		return nil, err
	}
	defer func() { _ = w.Drop() }() // after the file is in place it does nothing
	progress := begin(o.Watch, "calibrate")
	defer progress.End()
	progress.Step(fmt.Sprintf("%d tokens through %d layers", c.Tokens, m.Config.Layers))
	err = m.Moments(ctx, sequences, inputs, func(all []runtime.Moments) error { return names.add(w, all) },
		func(read int) { progress.Step(fmt.Sprintf("%d of %d tokens", read, c.Tokens)) })
	if err != nil {
		return nil, err
	}
	if o.Full {
		if err := w.WeighTable(src.Source); err != nil {
			return nil, err
		}
	}
	progress.Step("reading what was written")
	return w.Place()
}

// tellFull says what second moments take and which have no room, and refuses a disk that is too small for them.
func (o CalibrateOptions) tellFull(size runtime.FullSize, room int64) error {
	if !o.Full {
		return nil
	}
	notef(o.Watch, "second moments take %s of memory while a layer is read, and %s of the file", humanize.Bytes(uint64(size.Memory)), humanize.Bytes(uint64(size.File)))
	if n := len(size.Left); n > 0 {
		notef(o.Watch, "no room in %s (--full-size) for the second moments of what goes into %d of the maps, %s and others with as many or more: import --method gptq searches scales there without error feedback", humanize.IBytes(uint64(room)), n, size.Left[0])
	}
	if err := manifest.CheckRoom(filepath.Dir(o.Out), size.File); err != nil {
		return fmt.Errorf("%w: name a smaller --full-size, or another --out", err)
	}
	return nil
}

// inputNames are the names that all forms of a model have in common, of tensors as they are stored, and the second
// moments of those that have any.
type inputNames struct {
	body map[string]string
	full map[string]*calibration.Squares
}

// placeInputs gives a calibration the tensors of inputs, of which nothing was seen yet.
func placeInputs(c *calibration.Calibration, src Source, inputs []runtime.Input) (inputNames, error) {
	inv := src.Inventory()
	names := inputNames{map[string]string{}, map[string]*calibration.Squares{}}
	for _, in := range inputs {
		var shared *calibration.Squares // of all maps that read the same input
		if in.Full && !in.Apart {
			shared = calibration.Room(in.In, 1)
		}
		for _, t := range in.Tensors {
			known, ok := inv.Tensor(t.Tensor)
			if !ok {
				return names, fmt.Errorf("tensor %s is run and is not in %s", t.Tensor, inv.Origin)
			}
			full := shared
			if in.Full && in.Apart {
				full = calibration.Room(in.In, len(t.Experts))
			}
			names.body[t.Tensor], names.full[t.Tensor] = known.Body, full
			c.Tensors = append(c.Tensors, calibration.Seen(known.Body, in.In, len(t.Experts), full))
		}
	}
	return names, nil
}

// add writes what was seen of one input.
func (n inputNames) add(w *calibration.Writer, all []runtime.Moments) error {
	added := map[*calibration.Squares]bool{}
	for _, t := range all {
		if err := w.Add(n.body[t.Tensor], t.Rows, t.Sums); err != nil {
			return err
		}
		full := n.full[t.Tensor]
		if full == nil || added[full] || len(t.Full) == 0 {
			continue
		}
		added[full] = true
		if err := w.AddFull(full, t.Full, t.FullRows); err != nil {
			return err
		}
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
