package verify

import (
	"reflect"
	"strings"
	"testing"

	"qimport/verify/report"
)

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
`
	cases, err := ReadCases(strings.NewReader(file), "cases.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := []Case{
		{Prompt: "What is 2+2?", Expect: `\b4\b`},
		{Prompt: "Name a prime.", System: "One word.", Tokens: 16, Think: true},
		{Prompt: "What is it?", Pictures: []string{"a.png", "b/c.jpg"}},
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
