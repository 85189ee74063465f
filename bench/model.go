package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
)

// model names a checkpoint that the bench makes for itself.
type model struct {
	shape  string
	layers int    // 0: all
	kind   string // the format of its matrices; none is a release in bf16
	policy string // gives out the format; none: all matrices have it, embedding and head too
}

func (m model) geometry() shape {
	s := shapes[m.shape]
	if m.layers > 0 {
		s.Layers = m.layers
	}
	return s
}

// name is the folder's.
func (m model) name() string {
	name := m.shape
	if m.layers > 0 {
		name += fmt.Sprintf("-%d-layers", m.layers)
	}
	if m.kind != "" {
		name += "-" + m.kind
	}
	if m.policy != "" {
		name += "-" + m.policy
	}
	return name
}

// title is what a reader calls it.
func (m model) title() string {
	title := cmp.Or(map[string]string{"0.8b": "0.8B", "4b": "4B", "35b-a3b": "35B-A3B"}[m.shape], m.shape)
	if m.layers > 0 {
		title += fmt.Sprintf(", %d layers", m.layers)
	}
	if m.kind == "" {
		return title + ", bf16"
	}
	title += ", " + m.kind
	if m.policy != "" {
		title += " (embedding bf16)"
	}
	return title
}

// checkpoint makes the model where it is not there yet, beside its name and renamed, so that an
// interrupted run leaves nothing that looks whole. What is large and not in bf16 is made in its
// format; the rest is imported from the release and exported.
func (b bench) checkpoint(m model) (string, error) {
	path := filepath.Join(b.dir, m.name())
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	fmt.Fprintf(os.Stderr, "writing %s\n", path)
	if err := os.RemoveAll(path + ".part"); err != nil {
		return "", err
	}
	if err := b.make(m, path+".part"); err != nil {
		return "", err
	}
	return path, os.Rename(path+".part", path)
}

func (b bench) make(m model, path string) error {
	switch {
	case m.kind == "":
		return m.geometry().release().write(tokenizerFiles, path)
	case m.kind == "nvfp4" && m.policy == "" && m.shape != "0.8b":
		return m.geometry().packed().write(tokenizerFiles, path)
	}
	return b.convert(m, path)
}

// tokenizerFiles is where a checkpoint's tokenizer comes from.
const tokenizerFiles = "testdata/qwen3.5-bf16"

// convert imports the release in the model's format and exports that.
func (b bench) convert(m model, path string) error {
	source, err := b.checkpoint(model{shape: m.shape, layers: m.layers})
	if err != nil {
		return err
	}
	store := filepath.Join(b.dir, outputs, "converted")
	defer os.RemoveAll(store)
	policy := m.policy
	if policy == "" {
		policy = "uniform"
	}
	_, err = timed(nil, b.qimport, "import", source, "--name", "bench", "--store", store, "-q", m.kind, "--policy", policy, "--verify", "none", "--quiet")
	if err != nil {
		return err
	}
	_, err = timed(nil, b.qimport, "export", "bench", path, "--store", store, "--quiet")
	return err
}
