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

// measured is one row: our rates and those of the peers.
type measured struct {
	runCase
	touched          float64 // bytes a token: of weights, and of what is carried from token to token
	ours, llama, mlx rates
}

// runs are the tables of running: each model's rates beside what the machine allows and beside peers.
func (b bench) runs() (string, error) {
	l, err := measureLimits()
	if err != nil {
		return "", err
	}
	var all []measured
	for _, c := range runCases {
		if b.leaves(c.shape) || c.full && !b.full {
			continue
		}
		m, err := b.runCase(c)
		if err != nil {
			return "", err
		}
		read, err := bandwidthApart() // others may use a machine's memory now and then
		if err != nil {
			return "", err
		}
		all, l.bandwidth = append(all, m), max(l.bandwidth, read)
		fmt.Fprintf(os.Stderr, "%s: %.1f and %.0f tokens/s\n", c.title(), m.ours.decode, m.ours.prefill)
	}
	decode := &table{head: []string{"decode", "bytes a token", "tokens/s", fmt.Sprintf("of the %.1f GB/s that memory gives", l.bandwidth/1e9),
		"times llama.cpp's rate", "times mlx-lm's", "memory at most, of it not mapped", "llama.cpp's"}}
	prefill := &table{head: []string{fmt.Sprintf("prompt of %d tokens", promptTokens), "first token after the command", "tokens/s",
		fmt.Sprintf("of the %.0f GFLOP/s of BLAS", l.blas/1e9), "times llama.cpp's rate", "times mlx-lm's"}}
	for _, m := range all {
		decode.add(m.decodeRow(l)...)
		prefill.add(m.prefillRow(l)...)
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
	if m.llama, err = b.llama(c); err != nil {
		return m, err
	}
	if m.mlx, err = b.mlxLMRates(c, dir); err != nil {
		return m, err
	}
	m.ours, err = b.rates(dir)
	return m, err
}

func (m measured) decodeRow(l limits) []string {
	peer := ""
	if m.llama.peak > 0 {
		peer = strings.ToUpper(m.runCase.llama) + ": " + memory(m.llama.usage)
	}
	return []string{m.title(), size(int64(m.touched)), fmt.Sprintf("%.1f", m.ours.decode), share(m.ours.decode*m.touched, l.bandwidth),
		times(m.ours.decode, m.llama.decode), times(m.ours.decode, m.mlx.decode), memory(m.ours.usage), peer}
}

func (m measured) prefillRow(l limits) []string {
	return []string{m.title(), fmt.Sprintf("%.1f s", m.ours.first), fmt.Sprintf("%.0f", m.ours.prefill),
		share(m.ours.prefill*m.geometry().operations(), l.blas), times(m.ours.prefill, m.llama.prefill), times(m.ours.prefill, m.mlx.prefill)}
}

// rates runs a checkpoint; the first run brings it into the page cache and is not counted.
func (b bench) rates(dir string) (rates, error) {
	var all []rates
	for range b.n + 1 {
		r, err := b.run(dir)
		if err != nil {
			return rates{}, err
		}
		all = append(all, r)
	}
	all = all[1:]
	return rates{
		prefill: middle(all, func(r rates) float64 { return r.prefill }),
		decode:  middle(all, func(r rates) float64 { return r.decode }),
		first:   middle(all, func(r rates) float64 { return r.first }),
		usage:   all[0].usage,
	}, nil
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
