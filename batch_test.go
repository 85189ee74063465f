package qimport

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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
	all, err := ReadBatch(file, BatchDefaults{Request: Request{Jobs: 2, Checks: Checks{Tokens: 99}}})
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
		{"- source: x\n\n- source: y\n  typ: nvfp4", "line 3, import 2"},
		{"- source: x\n- source: ${QIMPORT_NOT_SET}", "line 2: the variable QIMPORT_NOT_SET of the environment is not set"},
		{"- source: ${}", "line 1: a variable of the environment is written ${NAME}"},
		{"- source: ./nowhere*", "line 1: source ./nowhere*: no directory matches"},
		{"- source: './[a'", "syntax error in pattern"},
		{"- *a", "line 1: nothing before it has the anchor &a"},
		{"- source: x\n  name: '{modle}'", "there is nothing to put in for {modle}; there is {model}, {type}"},
		{"- source: x\n- source: y\n- source: x", "lines 1 and 3 both import x:latest"},
		{"- {source: x, push: r.example.org/a:b}\n- {source: y, push: 'r.example.org/a:b'}", "lines 1 and 2 both push to r.example.org/a:b"},
		{"- {source: x, report: [r.xml]}\n- {source: y, report: [r.xml]}", "both write "},
		{"- source: x\n  push: nowhere", "bad reference"},
		{"- source: x\n  matrix: [nvfp4]", "matrix: it is a mapping"},
		{"- source: x\n  matrix: {type: nvfp4}", "line 2: type has no values"},
		{"- source: x\n  matrix:\n    type: []", "line 3: type has no values"},
		{"- source: x\n  matrix: {typ: [nvfp4]}", `unknown field "typ"`},
		{"- source: x\n  matrix: {as: {a: nvfp4}}", "a of as is no mapping"},
		{"- source: x\n  matrix: {as: {a: {matrix: {type: [int4]}}}}", "a matrix cannot hold another"},
		{"- source: x\n  matrix: {jobs: [" + strings.Repeat("1,", 200) + "1], tokens: [" + strings.Repeat("1,", 200) + "1]}", "more than 10000 imports"},
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
		if _, err := ReadBatch(file, BatchDefaults{}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v; want %q", c.text, err, c.says)
		}
	}
}

// FuzzParseBatch: whatever stands in a batch file, reading it ends.
func FuzzParseBatch(f *testing.F) {
	f.Add("- source: x\n  type: nvfp4\n  overrides: [\"a=b\"]\n")
	f.Add("- &a\n  source: x\n- *a\n")
	f.Add("- [[[[[[")
	f.Add("- source: ${HOME}/*\n  matrix:\n    type: [int4, int8]\n    as: {a: {mtp: keep}, b: {}}\n  name: '{model}:{as}'\n  push: r/{name}\n")
	f.Fuzz(func(t *testing.T, text string) {
		none := func(string) (string, bool) { return "", true }
		all, err := parseBatch(strings.NewReader(text), BatchDefaults{}, none)
		if err == nil && (len(all) == 0 || len(all) > maxImports) {
			t.Errorf("%d imports were read, without an error", len(all))
		}
		for _, w := range all {
			if _, err := w.fields.fill(w.Name); err == nil && strings.Contains(w.Name, "{model}") {
				t.Error("a field that nothing is known of was filled in")
			}
		}
	})
}

// TestBatchWrittenOut: globs, variables, anchors and matrices become the imports that they stand for.
func TestBatchWrittenOut(t *testing.T) {
	dir := t.TempDir()
	for _, model := range []string{"models/b", "models/A.1", "models/.git"} {
		if err := os.MkdirAll(filepath.Join(dir, model), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"models/file": "", "careful.yaml": "type: mxfp8\n", "batch.yaml": `
- &base
  source: ${MODELS}/*
  type: nvfp4
- <<: *base
  source: org/Name@v1
  matrix:
    recipe: [careful.yaml]
    as:
      plain: {}
      searched: {scale-search: true, type: int4}
  name: "{model}-{recipe}:{as}"
  report: ["{name}.xml"]
  push: r.example.org/team/{model}
- source: ./other
  name: costs-$${x}
- source: ${MODELS}/b
  name: again
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("MODELS", "./models")
	file := filepath.Join(dir, "batch.yaml")
	if _, err := ReadBatch(file, BatchDefaults{}); err == nil || !strings.Contains(err.Error(), "${x}") {
		t.Errorf("a name with ${x} was taken: %v", err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), "costs-$${x}", "other", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	all, err := ReadBatch(file, BatchDefaults{Push: "r.example.org/all/{name}"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range all {
		source := strings.TrimPrefix(e.Source, dir+"/")
		got = append(got, fmt.Sprintln(e.Line, source, e.Model, e.Plan.Recipe.Type, e.Plan.ScaleSearch, len(e.Reports), e.Push))
	}
	want := `2 models/A.1 a.1:nvfp4 nvfp4 false 0 r.example.org/all/a.1-nvfp4:nvfp4
2 models/b b:nvfp4 nvfp4 false 0 r.example.org/all/b-nvfp4:nvfp4
17 models/b again:latest keep false 0 r.example.org/all/again-latest:latest
5 org/Name@v1 name-careful:plain nvfp4 false 1 r.example.org/team/name:plain
5 org/Name@v1 name-careful:searched int4 true 1 r.example.org/team/name:searched
15 other other:latest keep false 0 r.example.org/all/other-latest:latest
`
	if diff := cmp.Diff(want, strings.Join(got, "")); diff != "" {
		t.Error(diff)
	}
	if r := all[4].Reports; len(r) != 1 || filepath.Base(r[0]) != "name-careful-searched.xml" {
		t.Errorf("reports %v", r)
	}
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
	defaults := BatchDefaults{Request: Request{Report: []string{"r.html"}, Checks: Checks{MaxKL: &kl, Prompt: []string{"a", "b"}}}}
	all, err := parseBatch(strings.NewReader("- {source: x, max_kl: 0.1, prompt: [c], report: [s.xml]}\n- {source: y}\n"), defaults, os.LookupEnv)
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
