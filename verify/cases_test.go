package verify

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"qimport/verify/report"
)

// tide is a tool.
const tide = `{"name":"tide","parameters":{"type":"object","properties":{"harbour":{"type":"string"},"day":{"type":"integer"}}}}`

func TestReadCases(t *testing.T) {
	const file = `
# arithmetic
- prompt: What is 2+2?
  expect: '\b4\b'
- prompt: Name a prime.
  system: One word.
  tokens: 16
  think: true
- prompt: What is it?
  pictures: [a.png, b/c.jpg]
- prompt: When does the tide turn?
  tools:
  - &tide {name: tide, parameters: {type: object, properties: {harbour: {type: string}, day: {type: integer}}}}
  - {type: function, function: *tide}
  answer: I ask.
  calls: [{name: tide, arguments: {harbour: Oban, day: 7}}, {name: tide}]
  then:
  - results: [at four, {at: 5, "no": [1.5, null, 'x']}]
    expect: four
    tokens: 9
  - prompt: And as JSON?
    keys: [at]
  - {prompt: Again., json: true, pictures: [d.png]}
`
	cases, err := ReadCases(strings.NewReader(file), "cases.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := []Case{
		{Prompt: "What is 2+2?", Expect: `\b4\b`},
		{Prompt: "Name a prime.", System: "One word.", Tokens: 16, Think: true},
		{Prompt: "What is it?", Pictures: []string{"a.png", "b/c.jpg"}},
		{
			Prompt: "When does the tide turn?", Tools: []Value{Value(tide), Value(`{"type":"function","function":` + tide + `}`)}, Said: new("I ask."),
			Calls: []Call{{"tide", Value(`{"harbour":"Oban","day":7}`)}, {Name: "tide"}},
			Then: []Turn{
				{Results: []Value{Value(`"at four"`), Value(`{"at":5,"no":[1.5,null,"x"]}`)}, Expect: "four", Tokens: 9},
				{Prompt: "And as JSON?", Keys: []string{"at"}},
				{Prompt: "Again.", JSON: true, Pictures: []string{"d.png"}},
			},
		},
	}
	if !reflect.DeepEqual(cases, want) {
		t.Fatalf("got %+v, want %+v", cases, want)
	}
}

func TestReadCasesRefuses(t *testing.T) {
	tests := []struct{ name, file, says string }{
		{"nothing", "", "cases.yaml"},
		{"an empty list", "[]", "empty"},
		{"an unknown key", "- {prompt: a, expects: b}", "expects"},
		{"no prompt", "- {prompt: a}\n- {expect: b}", "case 2"},
		{"a bad expression", "- {prompt: a, expect: '('}", "missing closing"},
		{"a negative bound", "- {prompt: a, tokens: -1}", "-1"},
		{"a turn without anything", "- {prompt: a, then: [{expect: b}]}", "turn 2: it has neither"},
		{"a turn with both", "- {prompt: a, then: [{prompt: b, results: [c]}]}", "turn 2: it has neither"},
		{"a bad expression later", "- {prompt: a, then: [{prompt: b, expect: '('}]}", "turn 2: "},
		{"nothing asked", "- {prompt: a, answer: b}", "nothing is asked"},
		{"an answer that is judged", "- {prompt: a, answer: b, expect: c}", "its answer is given"},
		{"calls without tools", "- {prompt: a, calls: [{name: tide}]}", "no tools"},
		{"a call without a name", "- {prompt: a, tools: [{name: tide}], calls: [{arguments: {a: b}}]}", "call 1: it has no name"},
		{"arguments that are a list", "- {prompt: a, tools: [{name: tide}], calls: [{name: tide, arguments: [a]}]}", "no mapping"},
		{"calls and JSON", "- {prompt: a, tools: [{name: tide}], calls: [{name: tide}], json: true}", "which one answer is not"},
		{"a tool without a name", "- {prompt: a, tools: [{parameters: {}}]}", "tool 1: it has no name"},
		{"a tool that is text", "- {prompt: a, tools: [tide]}", "tool 1: it is no mapping"},
		{"a value that is no JSON", "- {prompt: a, tools: [{name: .nan}]}", "NaN"},
		{"a turn as a value", "- {prompt: a, then: [&t {prompt: b}, {results: [{c: *t}]}]}", "not for a plain value"},
		{"pictures of a tool", "- {prompt: a, then: [{results: [b], pictures: [c]}]}", "no prompt"},
		{"turns without end", "- {prompt: a, then: [" + strings.Repeat("{prompt: b},", maxTurns) + "]}", "65 turns, and 64"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ReadCases(strings.NewReader(tt.file), "cases.yaml")
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("got %v, want an error that says %q", err, tt.says)
			}
		})
	}
}

// TestDocumentedCases: what docs/cases.md shows is read.
func TestDocumentedCases(t *testing.T) {
	b, err := os.ReadFile("../docs/cases.md")
	if err != nil {
		t.Fatal(err)
	}
	var shown strings.Builder
	page, _, _ := strings.Cut(string(b), "## Facts in a long text")
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "    ") {
			shown.WriteString(line)
		}
	}
	cases, err := ReadCases(strings.NewReader(shown.String()), "docs/cases.md")
	if err != nil || len(cases) != 6 || !cases[3].Think || len(cases[4].Then) != 2 || len(cases[4].Then[1].Keys) != 2 || cases[5].Said == nil {
		t.Errorf("%+v, %v", cases, err)
	}
}

func TestCaseJudge(t *testing.T) {
	tests := []struct {
		expect, answer string
		want           report.Outcome
	}{
		{`\b4\b`, "The result of 2 + 2 is 4.", report.Passed},
		{`\b4\b`, "The result of 2 + 2 is 44.", report.Failed},
		{`\b4\b`, "", report.Failed},
		{``, "anything", report.Passed},
		{`(`, "anything", report.NotRun},
	}
	for _, tt := range tests {
		if got := (Case{Prompt: "q", Expect: tt.expect}).judge(tt.answer); got.Passed != tt.want {
			t.Errorf("%q for %q: %s (%s), want %s", tt.answer, tt.expect, got.Passed, got.Detail, tt.want)
		}
	}
}

func TestDefaultCasesAreValid(t *testing.T) {
	for _, c := range DefaultCases() {
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
	}
}

// FuzzReadCases: reading ends, and what is accepted can be asked and judged.
func FuzzReadCases(f *testing.F) {
	f.Add("- prompt: a\n  expect: '\\b4\\b'\n")
	f.Add("- &a {prompt: a}\n- <<: *a\n  tokens: 5\n")
	f.Add("- [[[[[[")
	f.Add("- {prompt: a, tools: [&t {name: t}], calls: [{name: t, arguments: {b: [1, ~]}}], then: [{results: [*t, c]}, {prompt: d, keys: [e]}]}\n")
	f.Fuzz(func(t *testing.T, text string) {
		cases, err := ReadCases(strings.NewReader(text), "f")
		if err != nil {
			return
		}
		if len(cases) == 0 {
			t.Error("nothing was read, without an error")
		}
		for _, c := range cases {
			if err := c.Validate(); err != nil {
				t.Error(err)
			}
		}
	})
}
