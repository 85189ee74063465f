package language

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qimport/runtime/chat/answer"
)

// manner is a template in the manner of a released one.
func manner(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../runtime/chat/testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// small is the template of the small models.
func small(t *testing.T) string {
	t.Helper()
	b, err := folder{}.File("chat_template.jinja")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestTurns: what the templates of the families can do is found out, by what they write.
func TestTurns(t *testing.T) {
	for _, c := range []struct {
		name     string
		template string // "" for the small model's own
		thinking Thinking
		tools    answer.Form
	}{
		{"small", "", Opens, answer.None},
		{"Qwen3.5", manner(t, "functions.jinja"), Opens, answer.XML},
		{"Qwen3.5 that always thinks", strings.ReplaceAll(manner(t, "functions.jinja"), "enable_thinking is false", "enable_thinking is none"), Always, answer.XML},
		{"one that refuses tools", "{% if tools %}{{ raise_exception('none') }}{% endif %}" + small(t), Opens, answer.None},
		{"Qwen3", manner(t, "hybrid.jinja"), Free, answer.JSON},
		{"Qwen3 that never thinks", strings.ReplaceAll(manner(t, "hybrid.jinja"), "enable_thinking is false", "enable_thinking is none"), NoThinking, answer.JSON},
	} {
		files := folder{}
		if c.template != "" {
			files["chat_template.jinja"] = c.template
		}
		l := read(t, files)
		if err := KeepsTurns(t.Context(), l.Template, "<|im_end|>\n"); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got, err := ThinkingOf(t.Context(), l.Template); err != nil || got != c.thinking {
			t.Errorf("%s: thinking %s, %v; want %s", c.name, got, err, c.thinking)
		}
		if got, err := ToolsOf(t.Context(), l.Template, "<|im_end|>\n"); err != nil || got != c.tools {
			t.Errorf("%s: tools %s, %v; want %s", c.name, got, err, c.tools)
		}
	}
}

// TestTurnsAtFault: a template that loses or garbles a part of a conversation is told so.
func TestTurnsAtFault(t *testing.T) {
	small := small(t)
	xml, json := manner(t, "functions.jinja"), manner(t, "hybrid.jinja")
	for _, c := range []struct{ name, template, old, new, says string }{
		{"the first turn only", small, "in messages", "in messages[:2]", "loses that of the assistant"},
		{"the last turns only", small, "in messages", "in messages[2:]", "loses that of the system"},
		{"backwards", small, "in messages", "in messages[::-1]", "or moves it"},
		{"the first twice", small, "in messages", "in [messages[0]] + messages", "twice"},
		{"turns without an end", small, `<|im_end|>\n`, `\n`, "does not end the turn of the system"},
		{"refuses a second question", small, "{%- if add_generation_prompt -%}", "{%- if messages | length > 2 -%}{{ raise_exception('One question.') }}{%- endif -%}{%- if add_generation_prompt -%}", "One question"},
		{"thinks when told not to", small, "enable_thinking is true", "enable_thinking is false", "told not to think"},
		{"a thought as text", xml, `<think>\n' + thought + '\n</think>\n\n'`, `' + thought + '\n\n'`, "outside of <think>"},
		{"a thought without an end", xml, `thought + '\n</think>\n\n'`, `thought + '\n\n'`, "outside of <think>"},
		{"an answer lost with its thought", xml, `thought + '\n</think>\n\n' + content`, `thought + '\n</think>\n\n'`, "loses the answer"},
		{"a call without its marks", xml, `'<tool_call>\n<function='`, `'<function='`, "without <tool_call>"},
		{"a call without its end", xml, `'</function>\n</tool_call>'`, `'</function>\n'`, "no </tool_call>"},
		{"a parameter without its end", xml, `'\n</parameter>\n'`, `'\n'`, "no </parameter>"},
		{"the first parameter only", xml, "call.arguments | items %}", "(call.arguments | items | list)[:1] %}", "read back"},
		{"values that are escaped", xml, "else value | string %}", "else value | string | tojson %}", "read back"},
		{"lists as Python has them", xml, "value | tojson | safe if", "value | string if", "read back"},
		{"arguments as text", json, "call.function.arguments | tojson", "call.function.arguments | string | tojson", "no JSON object"},
		{"the first call only", json, "m.tool_calls | default([], true)", "(m.tool_calls | default([], true))[:1]", "of 2 calls"},
		{"no call", json, "m.tool_calls | default([], true)", "[]", "loses the call"},
		{"no tools", json, "{% if tools %}", "{% if false %}", "does not tell the model of the tool"},
		{"no answers of tools", json, `{% for m in messages if m.role != 'system' %}`, `{% for m in messages if m.role not in ['system', 'tool'] %}`, "loses what a tool answers"},
	} {
		if !strings.Contains(c.template, c.old) {
			t.Fatalf("%s: the template has no %s", c.name, c.old)
		}
		l := read(t, folder{"chat_template.jinja": strings.ReplaceAll(c.template, c.old, c.new)})
		var found []string
		if err := KeepsTurns(t.Context(), l.Template, "<|im_end|>\n"); err != nil {
			found = append(found, err.Error())
		}
		if _, err := ThinkingOf(t.Context(), l.Template); err != nil {
			found = append(found, err.Error())
		}
		if _, err := ToolsOf(t.Context(), l.Template, "<|im_end|>\n"); err != nil {
			found = append(found, err.Error())
		}
		if !strings.Contains(strings.Join(found, "; "), c.says) {
			t.Errorf("%s: found %q, want %q", c.name, found, c.says)
		}
	}
}
