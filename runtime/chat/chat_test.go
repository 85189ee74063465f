package chat

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"qimport/arch/files"
)

// cases is testdata/cases.json: what Jinja2 itself renders, see testdata/render.py.
type cases struct {
	Variables   map[string]json.RawMessage
	Messages    map[string][]wireMessage
	Expressions []struct {
		Template, Want, Refusal string
	}
	Conversations []struct {
		Template, Messages, Want, Refusal string
		Options                           struct {
			Generate bool  `json:"add_generation_prompt"`
			Thinking *bool `json:"enable_thinking"`
			Tools    []json.RawMessage
		}
	}
}

// wireMessage is a message as cases.json has it.
type wireMessage struct {
	Role, Content string
	Reasoning     string `json:"reasoning_content"`
	Calls         []struct {
		Function ToolCall
	} `json:"tool_calls"`
}

func (w wireMessage) message() Message {
	m := Message{Role: w.Role, Content: w.Content, ReasoningContent: w.Reasoning}
	for _, call := range w.Calls {
		m.ToolCalls = append(m.ToolCalls, call.Function)
	}
	return m
}

// now is the moment that render.py tells.
func now() time.Time { return time.Date(2026, 3, 9, 17, 5, 8, 0, time.UTC) }

func readCases(t testing.TB) cases {
	t.Helper()
	data, err := os.ReadFile("testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var c cases
	if err := json.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// only is the files of a model that have nothing but a template.
func only(template string) files.Chat {
	return files.Chat{Template: files.Template{Text: template, File: files.ChatTemplate}}
}

func mustCompile(t testing.TB, template string) *Template {
	t.Helper()
	tmpl, err := Compile(only(template))
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

// TestExpressions: the language, feature by feature.
func TestExpressions(t *testing.T) {
	c := readCases(t)
	for _, e := range c.Expressions {
		root, err := parse(e.Template)
		if err != nil {
			t.Errorf("%s: %v", e.Template, err)
			continue
		}
		variables := map[string]any{"strftime_now": clock(now()), "raise_exception": function(refuse)}
		for name, raw := range c.Variables {
			if variables[name], err = decodeJSON(raw); err != nil {
				t.Fatal(err)
			}
		}
		got, err := newRendering(t.Context()).render(root, variables)
		refusal := ""
		if errors.Is(err, ErrRefused) {
			_, refusal, _ = strings.Cut(err.Error(), ": ")
		}
		if err != nil && refusal == "" {
			t.Errorf("%s: %v", e.Template, err)
		} else if got != e.Want || refusal != e.Refusal {
			t.Errorf("%s\ngot  %q, refusal %q\nwant %q, refusal %q", e.Template, got, refusal, e.Want, e.Refusal)
		}
	}
}

// TestConversations: whole templates over whole conversations.
func TestConversations(t *testing.T) {
	c := readCases(t)
	for _, conversation := range c.Conversations {
		source, err := os.ReadFile("testdata/" + conversation.Template)
		if err != nil {
			t.Fatal(err)
		}
		var messages []Message
		for _, w := range c.Messages[conversation.Messages] {
			messages = append(messages, w.message())
		}
		o := conversation.Options
		got, err := mustCompile(t, string(source)).Render(t.Context(), messages, Options{
			AddGenerationPrompt: o.Generate, EnableThinking: o.Thinking, Tools: o.Tools, Now: now(),
		})
		name := conversation.Template + ", " + conversation.Messages
		if conversation.Refusal != "" {
			if !errors.Is(err, ErrRefused) || !strings.HasSuffix(err.Error(), ": "+conversation.Refusal) {
				t.Errorf("%s: got error %v, want refusal %q", name, err, conversation.Refusal)
			}
			continue
		}
		if err != nil || got != conversation.Want {
			t.Errorf("%s: %v\ngot  %q\nwant %q", name, err, got, conversation.Want)
		}
	}
}

func TestShippedTemplate(t *testing.T) {
	data, err := os.ReadFile("../../testdata/qwen3.5-bf16/chat_template.jinja")
	if err != nil {
		t.Fatal(err)
	}
	tmpl := mustCompile(t, string(data))
	on, off := true, false
	const turn = "<|im_start|>user\nWhat is 2+2?<|im_end|>\n<|im_start|>assistant\n"
	for _, c := range []struct {
		thinking *bool
		want     string
	}{{nil, turn + "<think>\n\n</think>\n\n"}, {&off, turn + "<think>\n\n</think>\n\n"}, {&on, turn + "<think>\n"}} {
		got, err := tmpl.Render(t.Context(), []Message{{Role: "user", Content: "What is 2+2?"}}, Options{AddGenerationPrompt: true, EnableThinking: c.thinking})
		if err != nil || got != c.want {
			t.Errorf("thinking %v: %q, %v; want %q", c.thinking, got, err, c.want)
		}
	}
}

func TestRenderNeverPanics(t *testing.T) {
	for _, template := range []string{
		"{{ 1 // 0 }}", "{{ 1 % 0 }}", "{{ x.y.z }}", "{{ x() }}", "{{ messages[9].role.a }}",
		"{{ range(1000000000) | length }}", "{{ range() }}", "{{ range(1, 2, 0) }}", "{{ range('a') }}",
		"{% include 'chat_template' %}", "{% include '/etc/hostname' %}", "{% import 'x' as y %}",
		"{{ ''.split('') }}", "{{ 'a'.index('b') }}", "{{ 'a'.replace() }}", "{{ 3 | items }}", "{{ 3 | reverse }}",
		"{% macro m() %}{{ m }}{% endmacro %}{{ m | tojson }}", "{{ strftime_now('%Q') }}",
	} {
		tmpl, err := Compile(only(template))
		if err == nil {
			_, err = tmpl.Render(t.Context(), []Message{{Role: "user"}}, Options{})
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error of several lines: %v", template, err)
		}
	}
}

func TestBadJSON(t *testing.T) {
	tmpl := mustCompile(t, "x")
	if _, err := tmpl.Render(t.Context(), nil, Options{Tools: []json.RawMessage{[]byte("{")}}); err == nil {
		t.Error("a broken tool is accepted")
	}
	bad := Message{ToolCalls: []ToolCall{{Name: "f", Arguments: []byte("{} x")}}}
	if _, err := tmpl.Render(t.Context(), []Message{bad}, Options{}); err == nil || !strings.Contains(err.Error(), "arguments of f") {
		t.Errorf("broken arguments: %v", err)
	}
}

// FuzzStripBlocks: it takes away nothing but spaces and tabs.
func FuzzStripBlocks(f *testing.F) {
	f.Add("a\n  {% if x %} {{ '%}' }}{# c #}")
	f.Add("{% raw %} {% endraw %}")
	f.Fuzz(func(t *testing.T, source string) {
		drop := strings.NewReplacer(" ", "", "\t", "")
		if drop.Replace(stripBlocks(source)) != drop.Replace(source) {
			t.Errorf("%q became %q", source, stripBlocks(source))
		}
	})
}
