package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// llamaTest is one line of what llama-bench measures.
type llamaTest struct {
	Prompt int     `json:"n_prompt"`
	Answer int     `json:"n_gen"`
	Rate   float64 `json:"avg_ts"`
}

// llama runs llama.cpp on the same shape in its own format. Its build and its copies of the
// checkpoints are made the first time (bench/llama.sh); where they cannot be, a sentence says so
// and there are no rates.
func (b bench) llama(c runCase) (rates, error) {
	if c.llama == "" || b.noLlama {
		return rates{}, nil
	}
	gguf, err := b.gguf(c)
	if err != nil {
		fmt.Fprintf(os.Stderr, "without llama.cpp: %v\n", err)
		return rates{}, nil
	}
	if r, ok := b.llamaRates[gguf]; ok {
		return r, nil
	}
	u, err := timed(nil, filepath.Join(b.llamaDir(), "llama-bench"), "-m", gguf, "-p", strconv.Itoa(promptTokens), "-n", strconv.Itoa(answerTokens), "-r", strconv.Itoa(b.n), "-o", "json")
	if err != nil {
		return rates{}, err
	}
	var tests []llamaTest
	if err := json.Unmarshal(u.out, &tests); err != nil {
		return rates{}, fmt.Errorf("llama-bench -o json: %w", err)
	}
	r := rates{usage: u}
	for _, test := range tests {
		if test.Answer > 0 {
			r.decode = test.Rate
		} else {
			r.prefill = test.Rate
		}
	}
	b.llamaRates[gguf] = r
	return r, nil
}

func (b bench) llamaDir() string { return filepath.Join(b.dir, "llama.cpp") }

// gguf is llama.cpp's copy of a checkpoint. The release that it is made from is removed again where
// nothing else needs it.
func (b bench) gguf(c runCase) (string, error) {
	path := filepath.Join(b.llamaDir(), model{shape: c.shape, layers: c.layers}.name()+"-"+c.llama+".gguf")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if _, err := timed(nil, "bench/llama.sh", "build", b.llamaDir()); err != nil {
		return "", err
	}
	release, err := b.checkpoint(model{shape: c.shape, layers: c.layers})
	if err != nil {
		return "", err
	}
	if c.shape != "0.8b" {
		defer os.RemoveAll(release)
	}
	_, err = timed(nil, "bench/llama.sh", "convert", b.llamaDir(), release)
	return path, err
}
