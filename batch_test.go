package qimport

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qimport/convert/plan"
	"qimport/quant"
	"qimport/quant/recipe"
	"qimport/verify/report"
)

// TestReadBatch: an entry takes every option that an import takes, in either spelling of its key,
// and files relative to the batch file.
func TestReadBatch(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("r.yaml", "type: int8\noverrides: ['**.q_proj=bf16']\n")
	write("t.txt", "something to read")
	file := write("batch.yaml", `
- source: ./a
  name: small:x
  type: nvfp4
  policy: uniform
  overrides: ["**.down_proj=mxfp8"]
  recipe: r.yaml
  allow-requantize: true
  scale_search: true
  mtp: keep
  jobs: 3
  verify: quality
  report: [small.html]
  prompt: ["What is 2+2?"]
  expect: ['\b4\b']
  length: [33]
  text: [t.txt]
  text_tokens: 64
  max-kl: 0.5
  ablate: ["state=bf16"]
  device: cpu
  memory: 25%
- source: org/name@v1
`)
	all, err := ReadBatch(file, Request{Jobs: 2, Checks: Checks{Tokens: 99}})
	if err != nil {
		t.Fatal(err)
	}
	o := all[0]
	if o.Source != filepath.Join(dir, "a") || o.Name != "small:x" || o.Jobs != 3 || o.Reports[0] != filepath.Join(dir, "small.html") {
		t.Errorf("%+v", o)
	}
	p := o.Plan
	if p.Recipe.Type != quant.FormatNVFP4 || p.Recipe.Policy != recipe.Uniform || len(p.Recipe.Rules) != 2 || !p.Recipe.AllowRequantize ||
		!p.ScaleSearch || p.MTP != plan.MTPKeep {
		t.Errorf("%+v", p)
	}
	c := o.Checks
	if c.Level != report.Quality || c.Cases[0].Expect != `\b4\b` || c.Lengths[0] != 33 || c.Texts[0].Text != "something to read" ||
		c.TextTokens != 64 || *c.Limits.MaxKL != 0.5 || len(c.Ablate) != 1 || c.Runtime.Memory != 0.25 || c.Tokens != 99 {
		t.Errorf("%+v", c)
	}
	if o := all[1]; o.Source != "org/name@v1" || o.Jobs != 2 || o.Checks.Level != report.Smoke || o.Checks.Tokens != 99 || len(o.Plan.Recipe.Rules) > 0 {
		t.Errorf("%+v", o)
	}
}

func TestReadBatchRefuses(t *testing.T) {
	for _, c := range []struct{ text, says string }{
		{"[]", "it lists no imports"},
		{"", "it lists no imports"},
		{"source: x", "it lists no imports"},
		{"- source: x\n---\n- source: y", "2 documents"},
		{"- source: x\n  typ: nvfp4", "import 1"},
		{"- source: x\n- just a word", "import 2"},
		{"- source: x\n  verify: deep", `import 1: no verification level "deep"`},
		{"- source: x\n- name: y", "import 2: it names no source"},
		{"- source: x\n  mtp: sometimes", "import 1: --mtp sometimes"},
		{"- source: x\n  report: [r.pdf]", "ending must be"},
		{"- source: x\n  type: nvfp5", "import 1: type"},
		{"- source: [", "batch.yaml"},
	} {
		file := filepath.Join(t.TempDir(), "batch.yaml")
		if err := os.WriteFile(file, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadBatch(file, Request{}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v; want %q", c.text, err, c.says)
		}
	}
}

// FuzzParseBatch: whatever stands in a batch file, reading it ends.
func FuzzParseBatch(f *testing.F) {
	f.Add("- source: x\n  type: nvfp4\n  overrides: [\"a=b\"]\n")
	f.Add("- &a\n  source: x\n- *a\n")
	f.Add("- [[[[[[")
	f.Fuzz(func(t *testing.T, text string) {
		requests, err := parseBatch(strings.NewReader(text), Request{})
		if err == nil && len(requests) == 0 {
			t.Error("nothing was read, without an error")
		}
	})
}

// TestBatchError: a failure weighs more than a verification that said no.
func TestBatchError(t *testing.T) {
	if err := batchError(1, []error{ErrRefused, fs.ErrNotExist}); err == nil || errors.Is(err, ErrRefused) {
		t.Errorf("with a failure: %v", err)
	}
	if err := batchError(0, []error{ErrRefused}); !errors.Is(err, ErrRefused) {
		t.Errorf("with a verdict: %v", err)
	}
	if err := batchError(0, nil); err != nil {
		t.Error(err)
	}
}

// TestReadBatchKeepsEntriesApart: what one entry says is not another's, nor the defaults'.
func TestReadBatchKeepsEntriesApart(t *testing.T) {
	kl := 0.5
	defaults := Request{Report: []string{"r.html"}, Checks: Checks{MaxKL: &kl, Prompt: []string{"a", "b"}}}
	all, err := parseBatch(strings.NewReader("- {source: x, max_kl: 0.1, prompt: [c], report: [s.xml]}\n- {source: y}\n"), defaults)
	if err != nil {
		t.Fatal(err)
	}
	if one := all[0]; *one.MaxKL != 0.1 || one.Prompt[0] != "c" || one.Report[0] != "s.xml" {
		t.Errorf("%+v", one)
	}
	if other := all[1]; *other.MaxKL != 0.5 || kl != 0.5 || other.Prompt[0] != "a" || defaults.Prompt[0] != "a" || other.Report[0] != "r.html" {
		t.Errorf("%+v, defaults %+v", other, defaults)
	}
}
