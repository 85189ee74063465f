package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"qimport/internal/untrusted"
	"qimport/runtime/chat"
	"qimport/runtime/chat/answer"
	"qimport/verify/report"
)

// maxTurns bounds a case.
const maxTurns = 64

// Turn is what is put to the model in a conversation, and what its answer must hold.
type Turn struct {
	// Prompt is what the user says. Results, in its place, are what tools answered to the calls of the turn
	// before, in their order: text as it is, and any other value as JSON.
	Prompt  string  `yaml:"prompt"`
	Results []Value `yaml:"results"`
	// Pictures are as in Case.
	Pictures []string `yaml:"pictures"`
	// Expect is a regular expression (RE2) searched for in the answer; empty takes any.
	Expect string `yaml:"expect"`
	// Tokens bounds the answer; 0 means 256.
	Tokens int `yaml:"tokens"`
	// Calls are the calls of tools that the answer must make, these and no others, in their order.
	Calls []Call `yaml:"calls"`
	// JSON asks that the answer is a JSON object or list, Keys that it is an object with at least these.
	JSON bool     `yaml:"json"`
	Keys []string `yaml:"keys"`
	// Said, where it is given, is taken for the model's answer, with Calls for its calls, and nothing is asked.
	Said *string `yaml:"answer"`

	files [][]byte // of the pictures
}

// Call is a call of a tool.
type Call struct {
	Name      string `yaml:"name"`
	Arguments Value  `yaml:"arguments"` // an object; none is an empty one
}

// turns are the turns of a case, the first of which the case itself holds.
func (c Case) turns() []Turn {
	first := Turn{Prompt: c.Prompt, Pictures: c.Pictures, files: c.files, Expect: c.Expect, Tokens: c.Tokens, Calls: c.Calls, JSON: c.JSON, Keys: c.Keys, Said: c.Said}
	return append([]Turn{first}, c.Then...)
}

// validate refuses what cannot be asked or judged.
func (t Turn) validate(tools []Value) error {
	switch {
	case (t.Prompt == "") == (len(t.Results) == 0):
		return errors.New("it has neither a prompt nor results of tools, or both")
	case len(t.Pictures) > 0 && t.Prompt == "":
		return errors.New("it has pictures and no prompt")
	case t.Tokens < 0:
		return fmt.Errorf("%d tokens is not a bound", t.Tokens)
	case len(t.Calls) > 0 && len(tools) == 0:
		return errors.New("it has calls, and the case has no tools")
	case t.Said != nil && (t.Expect != "" || t.JSON || len(t.Keys) > 0):
		return errors.New("its answer is given, and something is asked of it")
	case len(t.Calls) > 0 && (t.JSON || len(t.Keys) > 0):
		return errors.New("it asks for calls and for JSON, which one answer is not")
	}
	for i, c := range t.Calls {
		if _, err := c.made(); err != nil {
			return fmt.Errorf("call %d: %w", i+1, err)
		}
	}
	_, err := untrusted.Regexp(t.Expect)
	return err
}

// made is the call as a message has it.
func (c Call) made() (chat.ToolCall, error) {
	if c.Name == "" {
		return chat.ToolCall{}, errors.New("it has no name")
	}
	arguments := json.RawMessage(c.Arguments)
	if len(arguments) == 0 {
		arguments = json.RawMessage("{}")
	}
	if arguments[0] != '{' || !json.Valid(arguments) {
		return chat.ToolCall{}, fmt.Errorf("arguments of %.40q are no mapping", c.Name)
	}
	return chat.ToolCall{Name: c.Name, Arguments: arguments}, nil
}

// made are the calls of a turn, which was validated.
func (t Turn) made() []chat.ToolCall {
	var all []chat.ToolCall
	for _, c := range t.Calls {
		if call, err := c.made(); err == nil {
			all = append(all, call)
		}
	}
	return all
}

// toolOf is a tool in the form of the OpenAI API.
func toolOf(v Value) (json.RawMessage, error) {
	var tool struct {
		Name     string
		Function *struct{ Name string }
	}
	if err := json.Unmarshal(v, &tool); err != nil || len(v) == 0 || v[0] != '{' {
		return nil, errors.New("it is no mapping with a name")
	}
	switch {
	case tool.Function != nil && tool.Function.Name != "":
		return json.RawMessage(v), nil
	case tool.Name == "":
		return nil, errors.New("it has no name")
	}
	return json.RawMessage(`{"type":"function","function":` + string(v) + `}`), nil
}

// offered are the tools of a case, which was validated.
func (c Case) offered() []json.RawMessage {
	var all []json.RawMessage
	for _, v := range c.Tools {
		if tool, err := toolOf(v); err == nil {
			all = append(all, tool)
		}
	}
	return all
}

// what names a turn in a sentence.
func (t Turn) what() string {
	if t.Prompt != "" {
		return fmt.Sprintf("%q", clip(t.Prompt))
	}
	var all []string
	for _, v := range t.Results {
		all = append(all, v.text())
	}
	return fmt.Sprintf("the tool's %q", clip(strings.Join(all, "; ")))
}

// judge holds an answer to all that the turn asks of it.
func (t Turn) judge(a answer.Answer, malformed error) report.Check {
	switch {
	case a.Thinks && !a.Closed:
		return fail("%s made it think %q, and the thought has no </think>", t.what(), clip(a.Thought))
	case malformed != nil:
		return fail("%s was answered with a call that cannot be read: %s: %q", t.what(), malformed, clip(a.Content))
	case len(t.Calls) > 0 || len(a.Calls) > 0:
		return t.also(t.judgeCalls(a.Calls), a.Content)
	case t.JSON || len(t.Keys) > 0:
		return t.also(t.judgeJSON(a.Content), a.Content)
	}
	return t.judgeText(a.Content)
}

// also searches an answer that passed for what is expected besides.
func (t Turn) also(c report.Check, text string) report.Check {
	if c.Passed != report.Passed || t.Expect == "" {
		return c
	}
	more := t.judgeText(text)
	more.Warning = c.Warning
	return more
}

// judgeText searches an answer for what is expected.
func (t Turn) judgeText(text string) report.Check {
	if t.Expect == "" {
		return pass("%s answered %q", t.what(), clip(text))
	}
	re, err := untrusted.Regexp(t.Expect)
	if err != nil {
		return notRun("%v", err)
	}
	if !re.MatchString(text) {
		return fail("%s answered %q, which does not match %s", t.what(), clip(text), t.Expect)
	}
	return pass("%s answered %q, which matches %s", t.what(), clip(text), t.Expect)
}

// judgeCalls holds calls to those that must be made. A turn that expects text takes no call for it; one that
// expects nothing takes any.
func (t Turn) judgeCalls(made []chat.ToolCall) report.Check {
	if len(t.Calls) == 0 && t.Expect == "" && !t.JSON && len(t.Keys) == 0 {
		return pass("%s made it call %s", t.what(), callsText(made))
	}
	wanted := t.made()
	same := len(made) == len(wanted)
	for i := 0; same && i < len(made); i++ {
		same = answer.Same(made[i], wanted[i])
	}
	if !same {
		return fail("%s made it call %s, not %s", t.what(), callsText(made), callsText(wanted))
	}
	return pass("%s made it call %s, as it should", t.what(), callsText(made))
}

// callsText spells calls out: tide({"harbour":"Oban"}).
func callsText(calls []chat.ToolCall) string {
	if len(calls) == 0 {
		return "nothing"
	}
	var all []string
	for _, c := range calls {
		all = append(all, clip(c.Name+"("+string(c.Arguments)+")"))
	}
	return first(all, ", ")
}

// judgeJSON asks that the answer is JSON. One that stands in a fence of Markdown passes with a warning.
func (t Turn) judgeJSON(text string) report.Check {
	body, fenced := unfenced(text)
	var value any
	err := json.Unmarshal([]byte(body), &value)
	object, isObject := value.(map[string]any)
	_, isList := value.([]any)
	switch {
	case err != nil:
		return fail("%s answered %q, which is no JSON: %v", t.what(), clip(text), err)
	case !isObject && (!isList || len(t.Keys) > 0):
		return fail("%s answered %q, which is no JSON object", t.what(), clip(text))
	}
	var missing []string
	for _, key := range t.Keys {
		if _, there := object[key]; !there {
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		return fail("%s answered JSON without %s: %q", t.what(), first(missing, ", "), clip(text))
	}
	c := pass("%s answered %q, which is JSON", t.what(), clip(body))
	if fenced {
		c.Warning = "the JSON stands in a fence of Markdown, which a strict reader refuses"
	}
	return c
}

// unfenced is what stands between ``` and ```, if that is all.
func unfenced(text string) (body string, fenced bool) {
	text = strings.TrimSpace(text)
	inside, opened := strings.CutPrefix(text, "```")
	inside, closed := strings.CutSuffix(inside, "```")
	if _, rest, lines := strings.Cut(inside, "\n"); opened && closed && lines {
		return strings.TrimSpace(rest), true
	}
	return text, false
}
