package answer

import (
	"encoding/json"
	"fmt"
	"strings"

	"qimport/runtime/chat"
)

// The marks of an answer's parts.
const (
	thinkOpen, thinkClose = "<think>", "</think>"
	callOpen, callClose   = "<tool_call>", "</tool_call>"
)

// Form is how calls are written.
type Form uint8

// The forms of a call between <tool_call> and </tool_call>.
const (
	None Form = iota // there is no call
	JSON             // {"name": …, "arguments": {…}}
	XML              // <function=NAME><parameter=P>…
)

// String is the form's name in a report.
func (f Form) String() string { return [...]string{None: "none", JSON: "json", XML: "xml"}[f] }

// Asked is what of a request decides how its answer is read.
type Asked struct {
	Thinking bool              // the model was left to think
	Opened   bool              // the prompt ends inside a thought
	Tools    []json.RawMessage // on offer; without any, marks of a call are text as any other
}

// Answer is an answer taken apart.
type Answer struct {
	Thought string // without its marks and the spaces around it
	Thinks  bool   // there is a thought
	Closed  bool   // and it has an end
	Content string
	Calls   []chat.ToolCall
	Form    Form // of the calls
}

// Parse takes an answer apart. A call that cannot be read is an error, which says why; all else is returned
// with it. Where there is neither a thought nor a call, the content is the text.
func Parse(text string, asked Asked) (Answer, error) {
	var a Answer
	a.Content = text
	if asked.Thinking {
		a.think(asked.Opened, len(asked.Tools) > 0)
	}
	if len(asked.Tools) == 0 {
		return a, nil
	}
	return a, a.call(asked.Tools)
}

// think takes the thought from the content. A call ends a thought that was not closed.
func (a *Answer) think(opened, tools bool) {
	rest, again := strings.CutPrefix(strings.TrimSpace(a.Content), thinkOpen)
	if !opened && !again {
		return
	}
	a.Thinks = true
	a.Thought, a.Content, a.Closed = strings.Cut(rest, thinkClose)
	if at := strings.Index(a.Thought, callOpen); tools && at >= 0 {
		a.Thought, a.Content, a.Closed = rest[:at], rest[at:], false
	}
	a.Thought = strings.TrimSpace(a.Thought)
	a.Content = strings.TrimSpace(a.Content)
}

// call takes the calls from the content.
func (a *Answer) call(tools []json.RawMessage) error {
	before, rest, found := strings.Cut(a.Content, callOpen)
	if !found {
		return nil
	}
	var around []string // of what stands beside calls
	for n := 1; found; n++ {
		around = append(around, strings.TrimSpace(before))
		body, after, closed := strings.Cut(rest, callClose)
		if !closed {
			return fmt.Errorf("call %d has no %s", n, callClose)
		}
		call, form, err := parseCall(strings.TrimSpace(body), tools)
		if err != nil {
			return fmt.Errorf("call %d: %w", n, err)
		}
		if a.Form != None && a.Form != form {
			return fmt.Errorf("call %d is in another form than the one before it", n)
		}
		a.Calls, a.Form = append(a.Calls, call), form
		before, rest, found = strings.Cut(after, callOpen)
	}
	a.Content = strings.TrimSpace(strings.Join(append(around, strings.TrimSpace(before)), "\n"))
	return nil
}

func parseCall(body string, tools []json.RawMessage) (chat.ToolCall, Form, error) {
	if strings.HasPrefix(body, functionOpen) {
		call, err := parseXML(body, tools)
		return call, XML, err
	}
	call, err := parseJSON(body)
	return call, JSON, err
}
