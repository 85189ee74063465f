package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// besides runs once what else can do this import and is installed here, and says how much longer it
// took: `mlx_lm.convert` from the path, and the ollama binary that BENCH_OLLAMA names, whose
// server must be running. What is not installed is not mentioned.
func (b importBench) besides(took float64) string {
	if !b.peers {
		return ""
	}
	var said []string
	for _, p := range []struct {
		name string
		run  func() (usage, error)
	}{{"mlx_lm", b.mlxLM}, {"ollama", b.ollama}} {
		u, err := p.run()
		switch {
		case err != nil:
			said = append(said, fmt.Sprintf("%s: %v", p.name, err))
		case u.seconds > 0:
			said = append(said, fmt.Sprintf("%s %s times as long, %s", p.name, times(u.seconds, took), size(u.peak)))
		}
	}
	return strings.Join(said, "; ")
}

func (b importBench) mlxLM() (usage, error) {
	convert, err := exec.LookPath("mlx_lm.convert")
	if err != nil || b.kind == "bf16" {
		return usage{}, nil
	}
	out := filepath.Join(b.dir, "mlx-lm")
	defer os.RemoveAll(out)
	if err := os.RemoveAll(out); err != nil {
		return usage{}, err
	}
	return timed(nil, convert, "--hf-path", b.checkpoint, "--mlx-path", out, "-q", "--q-mode", b.kind)
}

func (b importBench) ollama() (usage, error) {
	ollama := os.Getenv("BENCH_OLLAMA")
	if ollama == "" {
		return usage{}, nil
	}
	modelfile := filepath.Join(b.dir, "Modelfile")
	if err := os.WriteFile(modelfile, []byte("FROM "+b.checkpoint+"\n"), 0o644); err != nil {
		return usage{}, err
	}
	args := []string{"create", "--experimental", "-f", modelfile, "bench"}
	if b.kind != "bf16" {
		args = append(args, "-q", b.kind)
	}
	return timed(nil, ollama, args...)
}
