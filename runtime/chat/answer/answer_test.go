package answer

import (
	"encoding/json"
	"strings"
	"testing"

	"qimport/runtime/chat"
)

// tide is a tool with parameters of every kind.
const tide = `{"type": "function", "function": {"name": "tide", "parameters": {"type": "object", "properties": {
	"harbour": {"type": "string"}, "day": {"type": "integer"}, "depth": {"type": "number"}, "low": {"type": "boolean"},
	"hours": {"type": "array"}, "where": {"type": "object"}, "when": {"type": ["string", "integer"]},
	"either": {"anyOf": [{"type": "number"}, {"type": "string"}]}}}}}`

func tools() []json.RawMessage { return []json.RawMessage{json.RawMessage(tide)} }

func TestParse(t *testing.T) {
	const xml = "<tool_call>\n<function=tide>\n<parameter=harbour>\nOban\n</parameter>\n</function>\n</tool_call>"
	const hermes = "<tool_call>\n{\"name\": \"tide\", \"arguments\": {\"harbour\": \"Oban\"}}\n</tool_call>"
	for _, c := range []struct {
		name, text       string
		asked            Asked
		thought, content string
		closed           bool
		calls            int
		form             Form
	}{
		{"text as it is", " 4.\n", Asked{}, "", " 4.\n", false, 0, None},
		{"marks that nobody asked for", "<think>a</think>b" + xml, Asked{}, "", "<think>a</think>b" + xml, false, 0, None},
		{"an opened thought", "Hm.\n</think>\n\nFour.", Asked{Thinking: true, Opened: true}, "Hm.", "Four.", true, 0, None},
		{"opened twice", "<think>\nHm.\n</think>\n\nFour.", Asked{Thinking: true, Opened: true}, "Hm.", "Four.", true, 0, None},
		{"opened by the model", "<think>\nHm.\n</think>\n\nFour.", Asked{Thinking: true}, "Hm.", "Four.", true, 0, None},
		{"not opened at all", "Four.", Asked{Thinking: true}, "", "Four.", false, 0, None},
		{"never closed", "Hm.", Asked{Thinking: true, Opened: true}, "Hm.", "", false, 0, None},
		{"XML", xml, Asked{Tools: tools()}, "", "", false, 1, XML},
		{"JSON", hermes, Asked{Tools: tools()}, "", "", false, 1, JSON},
		{"two, and words", "I look.\n\n" + xml + "\n" + xml, Asked{Tools: tools()}, "", "I look.", false, 2, XML},
		{"after a thought", "Hm.\n</think>\n\n" + hermes, Asked{Thinking: true, Opened: true, Tools: tools()}, "Hm.", "", true, 1, JSON},
		{"before the thought's end", "Hm.\n" + xml, Asked{Thinking: true, Opened: true, Tools: tools()}, "Hm.", "", false, 1, XML},
	} {
		a, err := Parse(c.text, c.asked)
		if err != nil || a.Thought != c.thought || a.Content != c.content || a.Closed != c.closed || len(a.Calls) != c.calls || a.Form != c.form {
			t.Errorf("%s: %+v, %v", c.name, a, err)
			continue
		}
		for _, call := range a.Calls {
			if !Same(call, chat.ToolCall{Name: "tide", Arguments: json.RawMessage(`{"harbour":"Oban"}`)}) {
				t.Errorf("%s: called %s %s", c.name, call.Name, call.Arguments)
			}
		}
	}
}

// TestTyped: what a value in XML is, is what the tool says that it may be and it can be read as.
func TestTyped(t *testing.T) {
	for _, c := range []struct{ parameter, value, want string }{
		{"harbour", "\nOban\n", `"Oban"`},
		{"harbour", "\n 7\n\n", `" 7\n"`},
		{"harbour", `a "b" <c> & d</e>`, `"a \"b\" <c> & d</e>"`},
		{"harbour", "\nNULL\n", `null`},
		{"day", "\n7\n", `7`},
		{"day", "007", `"007"`},
		{"day", "seven", `"seven"`},
		{"depth", "0.5", `0.5`},
		{"depth", "Inf", `"Inf"`},
		{"low", "True", `true`},
		{"low", "no", `"no"`},
		{"hours", "[1, 2]", `[1,2]`},
		{"hours", "[1, 2", `"[1, 2"`},
		{"where", "{\"a\": {\"b\": []}}", `{"a":{"b":[]}}`},
		{"when", "7", `7`},
		{"when", "today", `"today"`},
		{"either", "7.25", `7.25`},
		{"unknown", "7", `"7"`},
	} {
		a, err := Parse("<tool_call><function=tide><parameter="+c.parameter+">"+c.value+"</parameter></function></tool_call>", Asked{Tools: tools()})
		if err != nil || len(a.Calls) != 1 {
			t.Errorf("%s %q: %+v, %v", c.parameter, c.value, a, err)
			continue
		}
		var got map[string]json.RawMessage
		if err := json.Unmarshal(a.Calls[0].Arguments, &got); err != nil || !SameJSON(got[c.parameter], []byte(c.want)) {
			t.Errorf("%s %q: %s, %v; want %s", c.parameter, c.value, got[c.parameter], err, c.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for body, says := range map[string]string{
		"":                                      "neither JSON",
		"tide(Oban)":                            "neither JSON",
		`{"arguments": {}}`:                     "names no function",
		`{"name": "tide", "arguments": "Oban"}`: "no JSON object",
		`{"name": "tide"`:                       "neither JSON",
		"<function=>":                           "names no function",
		"<function=tide":                        "names no function",
		"<function=tide>":                       "should",
		"<function=tide>Oban</function>":        `"Oban</function>" stands`,
		"<function=tide><parameter=a>1</function>":                            `"a" has no </parameter>`,
		"<function=tide><parameter=>1</parameter></function>":                 "no name",
		"<function=tide><parameter=a>1</parameter></function>more":            "stands",
		"<function=tide><parameter=a>1</parameter><parameter=a>2</parameter>": "twice",
	} {
		if a, err := Parse("<tool_call>"+body+"</tool_call>", Asked{Tools: tools()}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %+v, %v; want %q", body, a, err, says)
		}
	}
	for text, says := range map[string]string{
		"<tool_call>{": "no </tool_call>",
		`<tool_call>{"name":"a"}</tool_call><tool_call><function=a></function></tool_call>`: "another form",
	} {
		if _, err := Parse(text, Asked{Tools: tools()}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestSameJSON(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{`{"a": 1, "b": [true, null]}`, `{"b":[true,null],"a":1.0}`, true},
		{`{"a": 1}`, `{"a": 1, "b": 1}`, false},
		{`{"a": 1, "c": 1}`, `{"a": 1, "b": 1}`, false},
		{`[1, 2]`, `[2, 1]`, false},
		{`9007199254740993`, `9007199254740993`, true},
		{`"1"`, `1`, false},
		{`null`, `false`, false},
		{`{`, `{`, false},
	} {
		if got := SameJSON([]byte(c.a), []byte(c.b)); got != c.want {
			t.Errorf("%s and %s: %v", c.a, c.b, got)
		}
	}
}

// FuzzParse: taking anything apart ends, loses no plain text, and calls have arguments that are an object.
func FuzzParse(f *testing.F) {
	f.Add("Hm.</think>Four.", tide)
	f.Add("<tool_call>\n<function=tide>\n<parameter=day>\n7\n</parameter>\n</function>\n</tool_call>", tide)
	f.Add(`<tool_call>{"name": "tide", "arguments": {"day": 7}}</tool_call>`, `{"function": {"name": "tide", "parameters": {"properties": {"day": {"type": [7]}}}}}`)
	f.Add("<think><tool_call>", `[]`)
	f.Fuzz(func(t *testing.T, text, tool string) {
		if a, err := Parse(text, Asked{}); err != nil || a.Content != text {
			t.Fatalf("%q became %q, %v", text, a.Content, err)
		}
		a, err := Parse(text, Asked{Thinking: true, Opened: true, Tools: []json.RawMessage{json.RawMessage(tool)}})
		if err != nil {
			return
		}
		if (len(a.Calls) > 0) != (a.Form != None) {
			t.Fatalf("%d calls in form %s", len(a.Calls), a.Form)
		}
		for _, call := range a.Calls {
			var arguments map[string]json.RawMessage
			if err := json.Unmarshal(call.Arguments, &arguments); err != nil || call.Name == "" {
				t.Fatalf("called %q with %s: %v", call.Name, call.Arguments, err)
			}
		}
	})
}
