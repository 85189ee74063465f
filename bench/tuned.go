package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tunedModels are trained checkpoints among the fixtures: of Qwen3, Qwen3.5, and Qwen3.5 with experts.
var tunedModels = []string{"tiny-qwen3-hf", "tiny-qwen3.5-hf", "tiny-qwen3.5-moe-hf"}

// tunedBench is the table's work on one model.
type tunedBench struct {
	bench
	model, dir string // dir is the checkpoint that all start from
	checkpoint string // that this was converted from, for peers
	out        string
	calibrated string
	store      string
	tunings    []tuning
	t          *table
}

// tunedTokens is how much text costs are measured on, and as much is held back: with the default, a quarter of it,
// formats of four bits were taken in the wrong order of their costs.
const tunedTokens = "4096"

// tuning is a mixture that tune has chosen.
type tuning struct{ target, bits, kl float64 }

// tuned is the table of mixtures: uniform formats, the shipped recipes and what peers make, each beside the mixture
// that tune chooses for as many bits, layer by layer as dynamic_quant does, encoded with error feedback. All are
// judged by one text, that of a verification, which neither tune nor calibrate nor a peer has read.
func (b bench) tuned() (string, error) {
	fixtures, err := trained("tuned")
	if err != nil {
		return "", err
	}
	t := &table{head: []string{"model", "as", "bits a weight", "mean KL", "with `--method gptq`", "tuned to so many bits, with `--method gptq`", "of the better one before"}}
	for _, m := range tunedModels {
		if b.leaves(m) {
			continue
		}
		w := tunedBench{bench: b, model: m, out: filepath.Join(b.dir, outputs, m), store: filepath.Join(b.dir, outputs, "store"), t: t}
		if err := os.MkdirAll(w.out, 0o755); err != nil {
			return "", err
		}
		if err := w.rows(filepath.Join(fixtures, m)); err != nil {
			return "", err
		}
	}
	return t.String(), nil
}

// rows are those of one model.
func (w *tunedBench) rows(checkpoint string) (err error) {
	if w.dir, err = w.source(checkpoint); err != nil {
		return err
	}
	if err := w.calibrate(); err != nil {
		return err
	}
	for _, how := range [][]string{{"-q", "nvfp4", "--policy", "uniform"}, {"-q", "int4", "--policy", "uniform"}, {"-q", "mxfp8", "--policy", "uniform"}, {"--recipe", "small"}, {"--recipe", "balanced"}, {"--recipe", "near-lossless"}} {
		if err := w.own(how); err != nil {
			return err
		}
	}
	for _, p := range strings.Split(w.mlxLMs, ",") {
		if p == "" {
			continue
		}
		if err := w.peer(p); err != nil {
			return err
		}
	}
	return nil
}

// calibrate reads the built-in text, for error feedback.
func (w *tunedBench) calibrate() error {
	w.calibrated = filepath.Join(w.out, "calibration")
	_, err := timed(nil, w.qimport, "calibrate", w.dir, "--full", "--out", w.calibrated, "--quiet")
	return err
}

// source is the checkpoint in mlx-lm's form, as its own convert has it, so that peers start from the same numbers;
// without peers it is the checkpoint itself.
func (w *tunedBench) source(checkpoint string) (string, error) {
	if w.mlxLMs == "" {
		return checkpoint, nil
	}
	w.checkpoint = checkpoint
	return w.converted("bfloat16")
}

// converted is the checkpoint in mlx-lm's form, in a dtype.
func (w *tunedBench) converted(dtype string) (string, error) {
	dir := w.made(dtype)
	if _, err := os.Stat(filepath.Join(dir, "config.json")); err == nil {
		return dir, nil
	}
	_, err := timed(nil, peerPython(), "-m", "mlx_lm", "convert", "--hf-path", w.checkpoint, "--mlx-path", dir, "--dtype", dtype)
	return dir, err
}

// made is where a peer's output is kept, to be used again by the next run.
func (w *tunedBench) made(by string) string {
	return filepath.Join(w.bench.dir, "peers", w.model+"-"+by)
}

// own is the row of a way to import.
func (w *tunedBench) own(how []string) error {
	bits, plain, fed, err := w.measured(how)
	if err != nil {
		return err
	}
	name := "all " + how[1]
	if how[0] == "--recipe" {
		name = "recipe " + how[1]
	}
	return w.add(name, bits, plain, fed)
}

// measured is what an import takes and diverges from the source, by the plain rule and with error feedback.
func (w *tunedBench) measured(how []string) (bits, plain, fed float64, err error) {
	if plain, err = w.imported(how); err != nil {
		return 0, 0, 0, err
	}
	how = append(slices.Clone(how), w.feedback()...)
	if fed, err = w.imported(how); err != nil {
		return 0, 0, 0, err
	}
	bits, err = w.bits(append([]string{w.dir}, how...)) // a search adds four bytes to each tensor in nvfp4
	return bits, plain, fed, err
}

// add adds a row, with the mixture tuned to its size; fed is 0 where there is none.
func (w *tunedBench) add(name string, bits, plain, fed float64) error {
	best, cell := plain, ""
	if fed > 0 {
		best, cell = min(plain, fed), nats(fed)
	}
	tuned, err := w.tuneTo(bits)
	if err != nil {
		return err
	}
	w.t.add(w.model, name, fmt.Sprintf("%.2f", bits), nats(plain), cell, fmt.Sprintf("%s (%.2f bits)", nats(tuned.kl), tuned.bits), times(tuned.kl, best))
	fmt.Fprintln(os.Stderr, w.t.rows[len(w.t.rows)-1])
	return nil
}

func (w *tunedBench) feedback() []string {
	return []string{"--method", "gptq", "--calibration", w.calibrated}
}

// tuneTo is the mixture for at most so many bits; one that was tuned to the same before serves.
func (w *tunedBench) tuneTo(bits float64) (tuning, error) {
	for _, t := range w.tunings {
		if t.target == bits {
			return t, nil
		}
	}
	recipe := filepath.Join(w.out, "recipe.yaml")
	how := append([]string{"tune", w.dir, "--text-tokens", tunedTokens, "--target-bpw", strconv.FormatFloat(bits, 'g', -1, 64), "--out", recipe, "--quiet"}, w.feedback()...)
	if _, err := timed(nil, w.qimport, how...); err != nil {
		return tuning{}, err
	}
	by := append([]string{"--recipe", recipe}, w.feedback()...)
	kl, err := w.imported(by)
	if err != nil {
		return tuning{}, err
	}
	got, err := w.bits(append([]string{w.dir}, by...))
	w.tunings = append(w.tunings, tuning{bits, got, kl})
	return w.tunings[len(w.tunings)-1], err
}

// bits are those of a weight in what a plan says.
func (w *tunedBench) bits(args []string) (float64, error) {
	u, err := timed(nil, w.qimport, append([]string{"plan", "--json"}, args...)...)
	if err != nil {
		return 0, err
	}
	var p struct {
		Bits float64 `json:"bits_per_weight"`
	}
	return p.Bits, json.Unmarshal(u.out, &p)
}

// imported is what an import diverges from the source, whatever its limits say.
func (w *tunedBench) imported(how []string) (float64, error) {
	return w.judged(append([]string{"import", w.dir, "--name", "bench", "--store", w.store, "--verify", "quality"}, how...))
}

// peer is the row of what a peer makes of the checkpoint, or of why it makes nothing.
func (w *tunedBench) peer(name string) error {
	dir := w.made(name)
	if _, err := os.Stat(filepath.Join(dir, "config.json")); err != nil {
		if err := w.runPeer(name, dir); err != nil {
			w.t.add(w.model, "`mlx_lm."+name+"`", "made nothing: "+err.Error(), "", "", "", "")
			return os.RemoveAll(dir)
		}
	}
	kl, err := w.judged([]string{"verify", dir, "--level", "quality", "--against", w.dir})
	if errors.Is(err, errNothing) {
		w.t.add(w.model, "`mlx_lm."+name+"`", "made a model of which `verify` could compare nothing", "", "", "", "")
		return nil
	}
	if err != nil {
		return err
	}
	bits, err := w.bits([]string{dir})
	if err != nil {
		return err
	}
	return w.add("`mlx_lm."+name+"`", bits, kl, 0)
}

// peerArgs are what each peer is asked for: four bits everywhere, or a mixture of four and five for 5 bits.
var peerArgs = map[string][]string{
	"dynamic_quant": {"--target-bpw", "5"},
	"gptq":          {"--fallback-bits", "4", "--num-samples", "16", "--sequence-length", "128"},
	"awq":           {"--num-samples", "4", "--sequence-length", "64", "--n-grid", "5"},
	"dwq":           {"--num-samples", "8", "--batch-size", "4", "--max-seq-length", "129"},
}

// runPeer has a peer read the built-in text of calibrate, where it looks for its own.
func (w *tunedBench) runPeer(name, dir string) error {
	args, known := peerArgs[name]
	if !known {
		return errors.New("it is none of dynamic_quant, gptq, awq and dwq")
	}
	home, data, err := w.peerTexts()
	if err != nil {
		return err
	}
	from, wide := w.dir, w.needsFloat32(name)
	if wide {
		if from, err = w.converted("float32"); err != nil {
			return err
		}
		if name == "dynamic_quant" {
			args = []string{"--target-bpw", "5.5"} // 5 when its scales and biases are rounded
		}
	}
	args = append([]string{"-m", "mlx_lm", name, "--model", from, "--mlx-path", dir}, args...)
	if name == "dwq" {
		args = append(args, "--data-path", data)
	}
	ctx, cancel := context.WithTimeout(context.Background(), w.peerLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, peerPython(), args...)
	cmd.Dir = w.out // dynamic_quant leaves a file where it is run
	cmd.Env = append(os.Environ(), "HOME="+home, "HF_HUB_OFFLINE=1")
	said, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return fmt.Errorf("not ended within %s", w.peerLimit.Round(time.Second))
	}
	if err != nil {
		lines := strings.Split(strings.TrimSpace(string(said)), "\n")
		return errors.New(lines[len(lines)-1])
	}
	if wide {
		_, err = timed(nil, peerPython(), "-c", roundToBfloat16, filepath.Join(dir, "model.safetensors"))
	}
	return err
}

// needsFloat32 says whether a peer makes nothing of weights in bfloat16. gptq adds up second moments in the dtype of
// the weights, and in bfloat16 their sums have no Cholesky factor: it makes NaN of them. MLX multiplies by experts
// on a CPU in float32 only.
func (w *tunedBench) needsFloat32(name string) bool {
	return name == "gptq" || strings.Contains(w.model, "moe")
}

// roundToBfloat16 has what was made from float32 in as many bits as from bfloat16, but for the decay, which both
// keep in float32.
const roundToBfloat16 = `
import sys, mlx.core as mx
arrays, metadata = mx.load(sys.argv[1], return_metadata=True)
arrays = {k: v.astype(mx.bfloat16) if v.dtype == mx.float32 and not k.endswith("A_log") else v for k, v in arrays.items()}
mx.eval(arrays)
mx.save_safetensors(sys.argv[1], arrays, metadata)
`

// peerTexts writes the text where the peers look for it: a file below a home, and a folder as data sets are.
func (w *tunedBench) peerTexts() (home, data string, err error) {
	home, data = filepath.Join(w.out, "home"), filepath.Join(w.out, "data")
	var text strings.Builder
	for _, name := range []string{"code.txt", "prose.txt"} {
		b, err := os.ReadFile(filepath.Join("texts", name))
		if err != nil {
			return "", "", err
		}
		text.Write(b)
	}
	var lines strings.Builder
	for paragraph := range strings.SplitSeq(text.String(), "\n\n") {
		line, err := json.Marshal(map[string]string{"text": paragraph})
		if err != nil {
			return "", "", err
		}
		fmt.Fprintf(&lines, "%s\n", line)
	}
	for file, content := range map[string]string{filepath.Join(home, ".cache/mlx-lm/calibration_v5.txt"): text.String(), filepath.Join(data, "train.jsonl"): lines.String()} {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return "", "", err
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			return "", "", err
		}
	}
	return home, data, nil
}

// peerPython is a Python that has mlx-lm.
func peerPython() string {
	if p := os.Getenv("BENCH_PYTHON"); p != "" {
		return p
	}
	return "python3"
}
