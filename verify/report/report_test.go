package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden holds got to testdata/name.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (rewrite with -update and read the difference):\n%s", path, got)
	}
}

// some is a number that is there.
func some(v float64) *float64 { return &v }

// sample is a report with something of everything, one check of each outcome among it.
func sample() Report {
	var d Divergence
	if b, err := os.ReadFile("testdata/divergence.json"); err != nil || json.Unmarshal(b, &d) != nil {
		panic("testdata/divergence.json cannot be read")
	}
	d.Reference, d.TextDigest = "source <checkpoint> | bf16", "sha256:00ff"
	ablated := d
	r := Report{
		Schema: Schema, Name: "tiny-qwen3.5:nvfp4", Level: Quality,
		Manifest: "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		Checks: []Check{
			{Name: "blobs.digests", Passed: Passed, Detail: "119 blobs, 3168065 bytes", Seconds: 0.012},
			{Name: "smoke.prefill.33", Passed: Failed, Detail: "log-probabilities differ from token-by-token decoding", Value: some(0.25), Limit: some(0.005), Seconds: 1.5},
			{Name: "quality.engaged", Passed: Passed, Detail: strings.Repeat("language_model.model.layers.1.linear_attn.in_proj_z.weight", 2)},
			{Name: "quality.tensors", Passed: NotRun, Detail: `the source "a<b" did not open`},
			{Name: "quality.reference", Passed: Passed, Detail: "perplexity is below the reference's", Warning: "better than its reference by 4 standard errors"},
		},
		Effort: &Effort{Prefilled: 581, SingleSteps: 125, Questions: 4, Expected: 22, Seconds: 24.25},
		Environment: Environment{
			Versions: map[string]string{"mlx": "0.32.2", "go": "go1.26"}, Backend: "cpu", Platform: "linux/amd64",
			Dtypes: map[string]string{"state": "float32", "decay": "float32", "activations": "bfloat16"},
		},
		Provenance: Provenance{Verifier: Version, Source: "org/tiny", Revision: "abc123", Rules: []string{"**.down_proj=mxfp8"},
			Files: []SourceFile{{Name: "config.json", Bytes: 1863, SHA256: "aa"}}, Against: "org/tiny"},
		Answers: []Answer{{Prompt: "What is 2+2?", Text: "<b>4</b>", Expect: `\b4\b`, Tokens: 12, Stop: "eos"},
			{Case: 2, Turn: 1, Prompt: "And in Oban?", Text: "I ask.</think>", Thought: "I ask.", Calls: []Call{{Name: "<b>4</b>", Arguments: json.RawMessage(`{}`)}}, Tokens: 9, Stop: "eos"},
			{Case: 2, Turn: 2, Results: []string{"at <b>4</b>"}, Text: "At four.", Tokens: 3, Stop: "eos"}},
		Needle:   &Needle{Tokens: 4096, Accuracy: 0.5, Facts: []Fact{{Fact: "The code of Ada is 41.", Answer: "41", Found: true}, {Depth: 1, Position: 4000, Fact: "The code of Leo is 17.", Answer: "<b>4</b>"}}},
		Template: &Template{Turns: true, Thinking: "opened by the template", Tools: "xml"},
		Ollama: &Ollama{Address: "http://127.0.0.1:11434", Version: "0.32.15", Digest: "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
			Answers: []OllamaAnswer{{Prompt: "What is 2+2?", Text: "<b>4</b>", Tokens: 12, Stop: "stop", Same: true}, {Prompt: "And 3+3?", Thinking: "a & b", Text: "6.", Tokens: 2, Stop: "stop", PartsAt: new(1), Apart: some(0.25)}}},
		Divergence: &d, Ablations: []Ablation{{What: "state=bf16", Divergence: ablated}},
		Tensors: []Tensor{
			{Name: "layers.0.mlp.up_proj.weight", Source: "bf16", Format: "nvfp4", Bits: 4.5, Error: 0.5, SNR: some(3), Limit: 0.03},
			{Name: "layers.1.mlp.up_proj.weight", Source: "bf16", Format: "nvfp4", Bits: 4.5, Error: 0.01, SNR: some(20), Limit: 0.03},
			{Name: "norm.weight", Source: "bf16", Format: "bf16", Bits: 16},
		},
	}
	r.Judge()
	return r
}

func TestJudge(t *testing.T) {
	tests := []struct {
		name   string
		checks []Outcome
		want   bool
	}{
		{"nothing asked proves nothing", nil, false},
		{"all passed", []Outcome{Passed, Passed}, true},
		{"one failed", []Outcome{Passed, Failed}, false},
		{"one not run", []Outcome{Passed, NotRun}, false},
	}
	for _, tt := range tests {
		r := Report{Passed: !tt.want}
		for _, o := range tt.checks {
			r.Checks = append(r.Checks, Check{Passed: o})
		}
		if r.Judge(); r.Passed != tt.want {
			t.Errorf("%s: passed is %v", tt.name, r.Passed)
		}
	}
}

func TestReportJSONRoundTrip(t *testing.T) {
	want := sample()
	b, err := want.JSON()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read back %+v\nwant %+v", got, want)
	}
}

// The words of the design, which scripts rely on.
func TestReportJSONKeys(t *testing.T) {
	r := sample()
	b, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Schema      int
		Passed      *bool
		Checks      []map[string]any
		Environment map[string]any
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Schema != 1 || doc.Passed == nil || *doc.Passed {
		t.Errorf("schema %d, passed %v", doc.Schema, doc.Passed)
	}
	for i, want := range []any{true, false, true, nil} {
		if got, there := doc.Checks[i]["passed"]; !there || got != want {
			t.Errorf("check %d: passed is %v, want %v", i, got, want)
		}
	}
	if doc.Checks[1]["value"] != 0.25 || doc.Checks[1]["limit"] != 0.005 {
		t.Errorf("value and limit are %v", doc.Checks[1])
	}
	for _, key := range []string{"versions", "backend", "dtypes"} {
		if doc.Environment[key] == nil {
			t.Errorf("environment has no %s", key)
		}
	}
}

func TestParseReportRefuses(t *testing.T) {
	for _, b := range []string{``, `{}`, `{"schema": 2}`, `{"schema": 1, "checks": [{"passed": 3}]}`} {
		if r, err := Parse([]byte(b)); err == nil {
			t.Errorf("%s was read as %+v", b, r)
		}
	}
}

func TestWriteForms(t *testing.T) {
	r := sample()
	forms := []struct {
		file  string
		write func(io.Writer) error
	}{
		{"report.json", func(w io.Writer) error {
			b, err := r.JSON()
			_, werr := w.Write(b)
			return errors.Join(err, werr)
		}},
		{"report.txt", r.WriteText},
		{"report.xml", r.WriteJUnit},
		{"report.html", r.WriteHTML},
		{"report.annotations", func(w io.Writer) error { return writeAnnotations(&r, w) }},
		{"report.md", func(w io.Writer) error { _, err := io.WriteString(w, r.Markdown()); return err }},
	}
	for _, f := range forms {
		t.Run(f.file, func(t *testing.T) {
			var b bytes.Buffer
			if err := f.write(&b); err != nil {
				t.Fatal(err)
			}
			golden(t, f.file, b.Bytes())
		})
	}
}

func TestJUnitCounts(t *testing.T) {
	r := sample()
	var b bytes.Buffer
	if err := r.WriteJUnit(&b); err != nil {
		t.Fatal(err)
	}
	var got junitSuites
	if err := xml.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	s := got.Suites[0]
	if s.Tests != 5 || s.Failures != 1 || s.Errors != 1 || len(s.Cases) != 5 {
		t.Errorf("%d tests, %d failures, %d errors, %d cases", s.Tests, s.Failures, s.Errors, len(s.Cases))
	}
	if s.Cases[1].Failure == nil || s.Cases[3].Error == nil || s.Cases[0].Failure != nil {
		t.Errorf("outcomes are not where they belong: %+v", s.Cases)
	}
}

// The page must stand alone, and text from a model must not become markup.
func TestHTMLIsSelfContained(t *testing.T) {
	r := sample()
	var b bytes.Buffer
	if err := r.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	page := strings.ReplaceAll(b.String(), r.Ollama.Address, "") // which is said, and not loaded
	for _, no := range []string{"<b>4</b>", "<script", "http://", "https://", "src=", "@import", "a<b"} {
		if strings.Contains(page, no) {
			t.Errorf("the page holds %s", no)
		}
	}
	for _, want := range []string{"prefers-color-scheme: dark", `name="viewport"`, "<svg", "smoke.prefill.33", "not run", `class="dot bad"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

func TestStale(t *testing.T) {
	const digest = "sha256:aa"
	fresh := Report{Manifest: digest, Level: Smoke, Provenance: Provenance{Verifier: Version}}
	older := fresh
	older.Provenance.Verifier = Version - 1
	tests := []struct {
		name     string
		report   Report
		manifest string
		level    Level
		says     string
	}{
		{"the same", fresh, digest, Smoke, ""},
		{"less is asked", fresh, digest, Blobs, ""},
		{"more is asked", fresh, digest, Quality, "quality is asked for"},
		{"another manifest", fresh, "sha256:bb", Smoke, "sha256:bb"},
		{"a directory has no identity", Report{Level: Smoke, Provenance: fresh.Provenance}, "", Smoke, "(none)"},
		{"older checks", older, digest, Smoke, "version"},
	}
	for _, tt := range tests {
		got := tt.report.Stale(tt.manifest, tt.level)
		if (tt.says == "") != (got == "") || !strings.Contains(got, tt.says) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.says)
		}
	}
}

func TestParseLevel(t *testing.T) {
	for _, l := range []Level{None, Blobs, Smoke, Quality} {
		if got, err := ParseLevel(string(l)); err != nil || got != l {
			t.Errorf("%s: %s, %v", l, got, err)
		}
	}
	if _, err := ParseLevel("all"); err == nil {
		t.Error("level all exists")
	}
}

// The number of texts is in every form of the report, and in none where there is a single one.
func TestReportNamesTexts(t *testing.T) {
	one, two := sample(), sample()
	two.Divergence.Texts = 2
	for name, form := range map[string]func(*Report) (string, error){
		"JSON":     func(r *Report) (string, error) { b, err := r.JSON(); return string(b), err },
		"text":     func(r *Report) (string, error) { var b strings.Builder; err := r.WriteText(&b); return b.String(), err },
		"HTML":     func(r *Report) (string, error) { var b strings.Builder; err := r.WriteHTML(&b); return b.String(), err },
		"Markdown": func(r *Report) (string, error) { return r.Markdown(), nil },
	} {
		of := func(r *Report) string {
			form, err := form(r)
			if err != nil {
				t.Fatal(err)
			}
			return form
		}
		if strings.Contains(of(&one), "texts") || !strings.Contains(of(&two), "texts") {
			t.Errorf("%s does not tell two texts from one", name)
		}
	}
}
