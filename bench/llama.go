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

// llama runs llama.cpp once on its copy of a checkpoint; there are no rates where there is none.
func (b bench) llama(gguf string) (rates, error) {
	if gguf == "" {
		return rates{}, nil
	}
	u, err := timed(nil, filepath.Join(b.llamaDir(), "llama-bench"), "-m", gguf, "-p", strconv.Itoa(promptTokens), "-n", strconv.Itoa(answerTokens), "-r", "1", "-o", "json")
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
	return r, nil
}

func (b bench) llamaDir() string { return filepath.Join(b.dir, "llama.cpp") }

// gguf is llama.cpp's copy of a checkpoint, in its own format; none where llama.cpp does not run beside it. The build
// and the copies are made the first time (bench/llama.sh); where they cannot be, a sentence says so.
func (b bench) gguf(c runCase) string {
	if c.llama == "" || b.noLlama {
		return ""
	}
	path, err := b.makeGGUF(c)
	if err != nil {
		fmt.Fprintf(os.Stderr, "without llama.cpp: %v\n", err)
		return ""
	}
	return path
}

// makeGGUF removes again the release that a copy is made from where nothing else needs it.
func (b bench) makeGGUF(c runCase) (string, error) {
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
