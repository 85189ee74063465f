package main

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// rates is what one run of a model took.
type rates struct {
	tokens          int     // of the prompt
	prefill, decode float64 // tokens a second
	first           float64 // seconds from the command to the first token
}

// runtimeCommand measures the 0.8B shape in nvfp4: a prompt of each length, then some tokens. Where
// mlx-lm is installed, it runs the same weights (exported) with the shortest prompt, which is all
// that its rate on a CPU allows; its prefill rate does not depend on the length.
func runtimeCommand(args []string) error {
	flags := flag.NewFlagSet("runtime", flag.ContinueOnError)
	runs := flags.Int("n", 3, "runs of each")
	dir := flags.String("dir", filepath.Join(os.TempDir(), "qimport-bench"), "a `folder` for checkpoints and stores")
	qimport := flags.String("qimport", "bin/qimport", "the built binary")
	if err := flags.Parse(args); err != nil {
		return err
	}
	b := runtimeBench{qimport: *qimport, dir: *dir, runs: *runs}
	if err := b.prepare(); err != nil {
		return err
	}
	return b.print()
}

// runtimeBench measures one stored model.
type runtimeBench struct {
	qimport, dir string
	runs         int
}

func (b runtimeBench) store() string { return filepath.Join(b.dir, "runtime-store") }

// prepare imports the model; a second time the store has it already.
func (b runtimeBench) prepare() error {
	checkpoint, err := importCase{shape: "0.8b"}.checkpoint(b.dir)
	if err != nil {
		return err
	}
	_, err = timed(nil, b.qimport, "import", checkpoint, "--name", "bench", "--store", b.store(), "-q", "nvfp4", "--verify", "none", "--quiet")
	return err
}

func (b runtimeBench) print() error {
	peer, err := b.mlxLM()
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "prompt\tfirst token\tprefill\tdecode\tprefill to mlx-lm's\tdecode to mlx-lm's\t")
	for _, words := range []int{24, 500, 2000} {
		r, err := b.median(words)
		if err != nil {
			return err
		}
		fmt.Fprintf(table, "%d tokens\t%.1f s\t%.1f/s\t%.1f/s\t%s\t%s\t\n", r.tokens, r.first, r.prefill, r.decode,
			ratio(r.prefill, peer.prefill), ratio(r.decode, peer.decode))
	}
	return table.Flush()
}

// ratio is how many times a is b, or a dash where there is no b.
func ratio(a, b float64) string {
	if b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f times", a/b)
}

// median is the run with the median time to the first token.
func (b runtimeBench) median(words int) (rates, error) {
	var all []rates
	for range b.runs + 1 { // the first reads the blobs into the page cache and is not counted
		r, err := b.once(words)
		if err != nil {
			return rates{}, err
		}
		all = append(all, r)
	}
	all = all[1:]
	slices.SortFunc(all, func(x, y rates) int { return cmp.Compare(x.first, y.first) })
	return all[len(all)/2], nil
}

// prompt is about as many tokens of the bench's small vocabulary as asked for.
func prompt(tokens int) string { return strings.TrimSpace(strings.Repeat(" the", tokens)) }

func (b runtimeBench) once(tokens int) (rates, error) {
	out, took, err := output(b.qimport, "run", "bench", prompt(tokens), "--raw", "--json", "--quiet", "--max-tokens", "16", "--store", b.store())
	if err != nil {
		return rates{}, err
	}
	type timing struct {
		Tokens  int     `json:"tokens"`
		Seconds float64 `json:"seconds"`
	}
	var said struct{ Prefill, Decode timing }
	if err := json.Unmarshal(out, &said); err != nil {
		return rates{}, fmt.Errorf("qimport run --json: %w", err)
	}
	return rates{
		tokens:  said.Prefill.Tokens,
		prefill: float64(said.Prefill.Tokens) / said.Prefill.Seconds,
		decode:  float64(said.Decode.Tokens) / said.Decode.Seconds,
		first:   took - said.Decode.Seconds,
	}, nil
}

var (
	mlxPrefill = regexp.MustCompile(`Prompt: \d+ tokens, ([\d.]+) tokens-per-sec`)
	mlxDecode  = regexp.MustCompile(`Generation: \d+ tokens, ([\d.]+) tokens-per-sec`)
)

// mlxLM runs mlx-lm once on an export of the stored model; zero where it is not installed.
func (b runtimeBench) mlxLM() (rates, error) {
	generate, err := exec.LookPath("mlx_lm.generate")
	if err != nil {
		return rates{}, nil
	}
	model := filepath.Join(b.dir, "runtime-export")
	if err := os.RemoveAll(model); err != nil {
		return rates{}, err
	}
	defer os.RemoveAll(model)
	if _, err := timed(nil, b.qimport, "export", "bench", model, "--store", b.store(), "--quiet"); err != nil {
		return rates{}, err
	}
	out, _, err := output(generate, "--model", model, "--prompt", prompt(24), "--ignore-chat-template", "--max-tokens", "8")
	if err != nil {
		return rates{}, err
	}
	prefill, decode := mlxPrefill.FindSubmatch(out), mlxDecode.FindSubmatch(out)
	if prefill == nil || decode == nil {
		return rates{}, fmt.Errorf("mlx_lm.generate says no rates:\n%s", out)
	}
	r := rates{}
	if r.prefill, err = strconv.ParseFloat(string(prefill[1]), 64); err != nil {
		return rates{}, err
	}
	r.decode, err = strconv.ParseFloat(string(decode[1]), 64)
	return r, err
}
