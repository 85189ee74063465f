package modelfile

import (
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	const file = "# a comment\n\nFROM ./model\nsystem \"\"\"You are\na \"pirate\".\"\"\"  \nPARAMETER temperature 0.6\r\n" +
		"PARAMETER stop \"<|end|>\"\nTEMPLATE \"\"\"{{ .Prompt }}\n\"\"\"\n  License a text  \nMESSAGE user hello there\nPARSER qwen3.5"
	want := []Command{
		{"from", "", "./model", 3}, {"system", "", "You are\na \"pirate\".", 4}, {"parameter", "temperature", "0.6", 6},
		{"parameter", "stop", "<|end|>", 7}, {"template", "", "{{ .Prompt }}\n", 8}, {"license", "", "a text", 10},
		{"message", "user", "hello there", 11}, {"parser", "", "qwen3.5", 12},
	}
	got, err := Parse([]byte(file))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n%+v\nwant\n%+v", err, got, want)
	}
	if got, err := Parse([]byte("\xff\xfeF\x00R\x00O\x00M\x00 \x00x\x00")); err != nil || !reflect.DeepEqual(got, []Command{{"from", "", "x", 1}}) {
		t.Errorf("UTF-16: %v, %v", got, err)
	}
}

// TestRead: what cannot be done is an error with its line.
func TestRead(t *testing.T) {
	for file, want := range map[string]string{
		"FRM x":                         `line 1: "FRM" is no command`,
		"FROM x\nFROM y":                "line 2: a second FROM",
		"\n\nSYSTEM \"\"\"open":         "line 3: the quotes \"\"\" are not closed",
		"SYSTEM":                        "line 1: the command says nothing",
		"PARAMETER temprature 1":        `line 1: there is no parameter "temprature" (did you mean temperature?)`,
		"PARAMETER temperature warm":    `line 1: parameter temperature: "warm" is no number`,
		"PARAMETER temperature nan":     "is no number",
		"PARAMETER top_k 1.5":           "is no whole number",
		"PARAMETER use_mmap maybe":      "neither true nor false",
		"PARAMETER mirostat 1":          "given it up",
		"PARAMETER":                     "not followed by a word",
		"PARAMETER stop":                "says nothing",
		"REQUIRES 0.14.0":               "line 1: a model of safetensors requires 0.19.0 at least, not 0.14.0",
		"REQUIRES soon":                 "no version of Ollama",
		"PARSER qwen35":                 `no parser "qwen35" for models of Qwen's in Ollama (did you mean `,
		"RENDERER gpt":                  "no renderer",
		"TEMPLATE {{ if }}":             "line 1: template: TEMPLATE:1: missing value for if",
		"TEMPLATE {{ shell . }}":        `function "shell" not defined`,
		"MESSAGE robot hello":           "line 1: MESSAGE \"robot\"",
		"FROM x\n# here\nDRAFT ./draft": "line 3: DRAFT",
	} {
		if _, err := Read([]byte(file)); !errors.Is(err, ErrModelfile) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %s", file, err, want)
		}
	}
	if _, err := Read([]byte(strings.Repeat("LICENSE a\n", maxCommands+1))); err == nil || !strings.Contains(err.Error(), "more than 1000 commands") {
		t.Error(err)
	}
	if _, err := Read(make([]byte, MaxBytes+1)); err == nil || !strings.Contains(err.Error(), "more than 4194304 bytes") {
		t.Error(err)
	}
	if _, err := Read([]byte("TEMPLATE " + strings.Repeat("{{if .}}", maxTemplate/8+1))); err == nil || !strings.Contains(err.Error(), "more than 262144 bytes") {
		t.Error(err)
	}
	m, err := Read([]byte("\n\nFROM x\nMESSAGE user Hello.\nSYSTEM \"\"\nADAPTER ./a\nPARAMETER stop a\nPARAMETER stop b\nPARAMETER top_k 1\nPARAMETER top_k 20\nPARAMETER top_p 0.95\n" +
		"LICENSE one\nLICENSE two\nREQUIRES v0.20.0\nTEMPLATE {{ json .Messages }}\nRENDERER qwen3.8"))
	want := Model{
		From: Path{"x", 3}, Adapters: []Path{{"./a", 6}}, Licenses: []string{"one", "two"}, Requires: "0.20.0", Template: new("{{ json .Messages }}"), Renderer: "qwen3.8",
		System: new(""), Messages: []Message{{"user", "Hello."}},
		Parameters: Parameters{"stop": []byte(`["a","b"]`), "top_k": []byte("20"), "top_p": []byte("0.95")},
	}
	if err != nil || !reflect.DeepEqual(m, want) {
		t.Errorf("%+v, %v", m, err)
	}
}

// TestOver: what one says hides what the other said, parameter by parameter.
func TestOver(t *testing.T) {
	read := func(s string) Model {
		m, err := Read([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	got := read("SYSTEM a\nPARAMETER top_k 1\nADAPTER y\nPARSER qwen3").Over(read("FROM x\nSYSTEM b\nTEMPLATE c\nLICENSE d\nADAPTER z\nRENDERER qwen3.5\nPARSER qwen3.5\nREQUIRES 0.20.0\nPARAMETER top_k 2\nPARAMETER stop e\nMESSAGE user f"))
	want := Model{
		From: Path{"x", 1}, Adapters: []Path{{"z", 5}, {"y", 3}}, Template: new("c"), System: new("a"), Licenses: []string{"d"}, Parser: "qwen3", Renderer: "qwen3.5",
		Requires: "0.20.0", Parameters: Parameters{"top_k": []byte("1"), "stop": []byte(`["e"]`)}, Messages: []Message{{"user", "f"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}

// FuzzRead: no panic, a refusal says that it is one, lines are those of the file, and what is accepted reads
// again as the same.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{"FROM x\n", "SYSTEM \"\"\"a\nb\"\"\"\n", "PARAMETER stop \"a\"\n# c\nLICENSE \"x\" y", "\xff\xfeF\x00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := Read(b); err != nil && !errors.Is(err, ErrModelfile) {
			t.Fatalf("refused without saying so: %v", err)
		}
		commands, err := Parse(b)
		if err != nil {
			return
		}
		last := 0
		for _, c := range commands {
			if c.Line <= last || c.Line > 1+strings.Count(string(b), "\n")+len(b) {
				t.Fatalf("%+v after line %d", c, last)
			}
			last = c.Line
		}
		if len(commands) > len(b) {
			t.Fatalf("%d commands of %d bytes", len(commands), len(b))
		}
	})
}

// TestOllamaParses holds the grammar to what Ollama's own parser makes of files: testdata/ollama.txt, whose
// answers are its.
func TestOllamaParses(t *testing.T) {
	b, err := os.ReadFile("testdata/ollama.txt")
	if err != nil {
		t.Fatal(err)
	}
	cases := strings.Split(string(b), "=====\n")
	for _, c := range cases[1:] {
		file, want, ok := strings.Cut(c, "-----\n")
		if !ok {
			t.Fatalf("a case without an answer: %q", c)
		}
		var got strings.Builder
		commands, err := Parse([]byte(strings.TrimSuffix(file, "\n")))
		if err != nil {
			got.WriteString("refused\n")
		}
		for _, c := range commands {
			got.WriteString(strings.TrimSpace(c.Name+" "+c.Key) + ": " + strings.ReplaceAll(c.Args, "\n", `\n`) + "\n")
		}
		if got.String() != want {
			t.Errorf("%s\ngot\n%s\nwant\n%s", file, &got, want)
		}
	}
}
