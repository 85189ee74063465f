package language

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"qimport/runtime/chat"
	"qimport/runtime/chat/answer"
)

// The tool that a template is tried with, and two calls of it: parameters of every kind, and text that wants
// to be escaped, or must not be.
const (
	tideTool = `{"type": "function", "function": {"name": "tide_table", "description": "Says when the tide turns.",
 "parameters": {"type": "object", "required": ["harbour"], "properties": {
  "harbour": {"type": "string"}, "note": {"type": "string"}, "berth": {"type": "string"}, "day": {"type": "integer"}, "depth": {"type": "number"},
  "low": {"type": "boolean"}, "hours": {"type": "array", "items": {"type": "integer"}}, "place": {"type": "object"}}}}}`
	firstCall  = `{"harbour": "Århus", "note": "\"bow\" <in> & 'stern' out,\nthen wait", "berth": "12", "day": 7, "depth": 0.5, "low": true, "hours": [1, 13], "place": {"at": {"x": [1.5, "east"]}}}`
	secondCall = `{"harbour": "Oban"}`
)

// ToolsOf finds out in what form a template writes calls of tools: it must offer the tool, write its calls so
// that they are read back as they were, and give the tool's answers back, in order. None is of a template
// that knows nothing of tools, or refuses them.
func ToolsOf(ctx context.Context, t *chat.Template, end string) (answer.Form, error) {
	const question, firstAnswer, secondAnswer, then = "When does the tide turn?", "At 4:10, says Århus.", "At 6:55, says Oban.", "Which is earlier?"
	tools := []json.RawMessage{json.RawMessage(tideTool)}
	calls := []chat.ToolCall{{Name: "tide_table", Arguments: json.RawMessage(firstCall)}, {Name: "tide_table", Arguments: json.RawMessage(secondCall)}}
	messages := []chat.Message{
		{Role: "user", Content: question}, {Role: "assistant", ToolCalls: calls, ReasoningContent: "I ask both."},
		{Role: "tool", Content: firstAnswer}, {Role: "tool", Content: secondAnswer},
	}
	asked, err := t.Render(ctx, messages[:1], chat.Options{Tools: tools, AddGenerationPrompt: true})
	if errors.Is(err, chat.ErrRefused) {
		return answer.None, nil
	}
	if err != nil {
		return answer.None, fmt.Errorf("with a tool on offer: %w", err)
	}
	offered := strings.Contains(asked, "tide_table")
	text, err := t.Render(ctx, messages, chat.Options{Tools: tools, AddGenerationPrompt: true})
	if err != nil && !offered {
		return answer.None, nil
	}
	if err != nil {
		return answer.None, fmt.Errorf("of a call and its answer: %w", err)
	}
	_, said, _ := strings.Cut(text, question)
	said, given, answered := strings.Cut(said, firstAnswer)
	called := strings.Contains(said, "tide_table")
	switch {
	case !offered && !called:
		return answer.None, nil
	case !offered:
		return answer.None, errors.New("the chat template writes calls of a tool, and does not tell the model of the tool")
	case !called:
		return answer.None, errors.New("the chat template offers a tool, and loses the call of it")
	case !answered || strings.Count(given, secondAnswer) != 1:
		return answer.None, errors.New("the chat template loses what a tool answers")
	}
	form, err := readBack(said, end, calls, tools)
	if err != nil {
		return answer.None, err
	}
	later, err := t.Render(ctx, append(messages, chat.Message{Role: "assistant", Content: "Århus."}, chat.Message{Role: "user", Content: then}), chat.Options{Tools: tools, AddGenerationPrompt: true})
	if err != nil {
		return answer.None, fmt.Errorf("of a turn after a call: %w", err)
	}
	if _, rest, kept := strings.Cut(later, secondAnswer); !kept || !strings.Contains(rest, then) {
		return answer.None, errors.New("the chat template loses what a tool answers once there is a turn after it")
	}
	return form, nil
}

// readBack reads the calls out of the turn that they were written in.
func readBack(turn, end string, calls []chat.ToolCall, tools []json.RawMessage) (answer.Form, error) {
	at := strings.Index(turn, "<tool_call>")
	if at < 0 {
		return answer.None, fmt.Errorf("the chat template writes a call without <tool_call>, which no parser of these models looks for: %.80q", turn)
	}
	turn, _, ended := strings.Cut(turn[at:], strings.TrimSpace(end))
	if !ended {
		return answer.None, errors.New("the chat template does not end a turn that holds a call")
	}
	read, err := answer.Parse(turn, answer.Asked{Tools: tools})
	if err != nil {
		return answer.None, fmt.Errorf("what the chat template writes for a call cannot be read back: %w", err)
	}
	if len(read.Calls) != len(calls) {
		return answer.None, fmt.Errorf("of %d calls the chat template writes %d", len(calls), len(read.Calls))
	}
	for i, call := range read.Calls {
		if !answer.Same(call, calls[i]) {
			return answer.None, fmt.Errorf("a call of %s with %s is read back from the chat template as %s with %s", calls[i].Name, calls[i].Arguments, call.Name, call.Arguments)
		}
	}
	return read.Form, nil
}
