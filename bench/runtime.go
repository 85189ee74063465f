package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// runCase is one row of the table of runs, and the format of llama.cpp that is as many bits.
type runCase struct {
	model
	llama string // none: llama.cpp does not run beside it
	mlxLM bool   // mlx-lm does
	full  bool   // only where -full asks for it
}

var runCases = []runCase{
	{model: model{shape: "0.8b"}},
	{model: model{shape: "0.8b", kind: "nvfp4", policy: "ollama"}},
	{model: model{shape: "0.8b", kind: "nvfp4"}, llama: "q4_0", mlxLM: true},
	{model: model{shape: "0.8b", kind: "int4"}, llama: "q4_0"},
	{model: model{shape: "0.8b", kind: "mxfp8"}, llama: "q8_0"},
	{model: model{shape: "0.8b", kind: "int8"}, llama: "q8_0"},
	{model: model{shape: "35b-a3b", layers: 8, kind: "nvfp4"}, llama: "q4_0"},
	{model: model{shape: "35b-a3b", kind: "nvfp4"}, full: true},
}

// The lengths that are measured: of the prompt, and of the answer to it.
const (
	promptTokens = 512
	answerTokens = 64
)

// rates is what one run of a model took.
type rates struct {
	prefill, decode float64 // tokens a second
	first           float64 // seconds from the command to the first token
	usage
}

// round is what is held to each other: measured one after the other, in the same minute. Others may use a machine now
// and then, and leave it more slowly for a while.
type round struct {
	limits
	ours, llama rates
}

// measured is one row: our rates and those of the peers.
type measured struct {
	runCase
	touched float64 // bytes a token: of weights, and of what is carried from token to token
	rounds  []round
	mlx     rates
}

// runs are the tables of running: each model's rates beside what the machine allows and beside peers.
func (b bench) runs() (string, error) {
	var all []measured
	for _, c := range runCases {
		if b.leaves(c.shape) || c.full && !b.full {
			continue
		}
		m, err := b.runCase(c)
		if err != nil {
			return "", err
		}
		all = append(all, m)
		fmt.Fprintf(os.Stderr, "%s: %.1f and %.0f tokens/s\n", c.title(), m.ours(decodeRate), m.ours(prefillRate))
	}
	decode := &table{head: []string{"decode", "bytes a token", "tokens/s", "of what memory gives",
		"times llama.cpp's rate", "times mlx-lm's", "memory at most, of it not mapped", "llama.cpp's"}}
	prefill := &table{head: []string{fmt.Sprintf("prompt of %d tokens", promptTokens), "first token after the command", "tokens/s",
		"of what BLAS computes", "times llama.cpp's rate", "times mlx-lm's"}}
	for _, m := range all {
		decode.add(m.decodeRow()...)
		prefill.add(m.prefillRow()...)
	}
	return decode.String() + "\n" + prefill.String(), nil
}

func (b bench) runCase(c runCase) (m measured, err error) {
	m.runCase = c
	dir, err := b.checkpoint(c.model)
	if err != nil {
		return m, err
	}
	if m.touched, err = c.geometry().touched(dir); err != nil {
		return m, err
	}
	m.touched += c.geometry().carried(promptTokens + answerTokens/2)
	if m.mlx, err = b.mlxLMRates(c, dir); err != nil {
		return m, err
	}
	gguf := b.gguf(c)
	for range b.n + 1 {
		r, err := b.round(dir, gguf)
		if err != nil {
			return m, err
		}
		m.rounds = append(m.rounds, r)
	}
	m.rounds = m.rounds[1:] // the first brings files into the page cache
	return m, nil
}

func (b bench) round(dir, gguf string) (r round, err error) {
	if r.limits, err = measureLimits(); err != nil {
		return r, err
	}
	if r.ours, err = b.run(dir); err != nil {
		return r, err
	}
	r.llama, err = b.llama(gguf)
	return r, err
}

func decodeRate(r rates) float64  { return r.decode }
func prefillRate(r rates) float64 { return r.prefill }

func (m measured) middle(value func(round) float64) float64 { return middle(m.rounds, value) }

func (m measured) ours(value func(rates) float64) float64 {
	return m.middle(func(r round) float64 { return value(r.ours) })
}

// besideLlama is how many times llama.cpp's rate ours is, or nothing where llama.cpp did not run.
func (m measured) besideLlama(rate func(rates) float64) string {
	if rate(m.rounds[0].llama) == 0 {
		return ""
	}
	return times(m.middle(func(r round) float64 { return rate(r.ours) / rate(r.llama) }), 1)
}

func (m measured) decodeRow() []string {
	peer := ""
	if u := m.rounds[0].llama.usage; u.peak > 0 {
		peer = strings.ToUpper(m.runCase.llama) + ": " + memory(u)
	}
	given := m.middle(func(r round) float64 { return r.bandwidth })
	part := m.middle(func(r round) float64 { return r.ours.decode * m.touched / r.bandwidth })
	return []string{m.title(), size(int64(m.touched)), fmt.Sprintf("%.1f", m.ours(decodeRate)), fmt.Sprintf("%s of %.1f GB/s", share(part, 1), given/1e9),
		m.besideLlama(decodeRate), times(m.ours(decodeRate), m.mlx.decode), memory(m.rounds[0].ours.usage), peer}
}

func (m measured) prefillRow() []string {
	given := m.middle(func(r round) float64 { return r.blas })
	part := m.middle(func(r round) float64 { return r.ours.prefill * m.geometry().operations() / r.blas })
	return []string{m.title(), fmt.Sprintf("%.1f s", m.ours(func(r rates) float64 { return r.first })), fmt.Sprintf("%.0f", m.ours(prefillRate)),
		fmt.Sprintf("%s of %.0f GFLOP/s", share(part, 1), given/1e9), m.besideLlama(prefillRate), times(m.ours(prefillRate), m.mlx.prefill)}
}

// prompt is so many tokens of the bench's small vocabulary.
func prompt(tokens int) string { return strings.TrimSpace(strings.Repeat(" the", tokens-1)) }

func (b bench) run(dir string) (rates, error) {
	u, err := timed(nil, b.qimport, "run", dir, prompt(promptTokens), "--raw", "--json", "--quiet", "--max-tokens", strconv.Itoa(answerTokens))
	if err != nil {
		return rates{}, err
	}
	type timing struct {
		Tokens  int     `json:"tokens"`
		Seconds float64 `json:"seconds"`
	}
	var said struct{ Prefill, Decode timing }
	if err := json.Unmarshal(u.out, &said); err != nil {
		return rates{}, fmt.Errorf("qimport run --json: %w", err)
	}
	return rates{
		prefill: float64(said.Prefill.Tokens) / said.Prefill.Seconds,
		decode:  float64(said.Decode.Tokens) / said.Decode.Seconds,
		first:   u.seconds - said.Decode.Seconds,
		usage:   u,
	}, nil
}

var (
	mlxPrefill = regexp.MustCompile(`Prompt: \d+ tokens, ([\d.]+) tokens-per-sec`)
	mlxDecode  = regexp.MustCompile(`Generation: \d+ tokens, ([\d.]+) tokens-per-sec`)
)

// mlxLMRates runs mlx-lm once on the same checkpoint, with a prompt as short as its rate on a CPU asks
// for; zero where it is not installed.
func (b bench) mlxLMRates(c runCase, dir string) (rates, error) {
	generate, err := exec.LookPath("mlx_lm.generate")
	if err != nil || !c.mlxLM {
		return rates{}, nil
	}
	u, err := timed(nil, generate, "--model", dir, "--prompt", prompt(12), "--ignore-chat-template", "--max-tokens", "6")
	if err != nil {
		return rates{}, err
	}
	prefill, decode := mlxPrefill.FindSubmatch(u.out), mlxDecode.FindSubmatch(u.out)
	if prefill == nil || decode == nil {
		return rates{}, fmt.Errorf("mlx_lm.generate says no rates:\n%s", u.out)
	}
	r := rates{usage: u}
	if r.prefill, err = strconv.ParseFloat(string(prefill[1]), 64); err != nil {
		return rates{}, err
	}
	r.decode, err = strconv.ParseFloat(string(decode[1]), 64)
	return r, err
}
