// Package chat owns the prompt's text: it renders a model's own Jinja chat template.
//
// It must not know tokenization, models, MLX, or which of a model's files the template is from.
package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/nodes"
)

// Template is a model's chat template, compiled. It is immutable and safe for concurrent use.
type Template struct {
	root      []nodes.Node
	constants map[string]any // bos_token and eos_token, where the model's files have them
}

// Message is one turn of a conversation.
type Message struct {
	Role             string // system, user, assistant or tool
	Content          string
	Pictures         [][]byte   // files, which stand before the text
	ReasoningContent string     // what the assistant thought; templates show it or drop it
	ToolCalls        []ToolCall // what the assistant asked for
}

// ToolCall is one call of a tool that an assistant's turn asked for.
type ToolCall struct {
	Name      string
	Arguments json.RawMessage // a JSON object; its order of keys is kept
}

// Options say what of a prompt is not a message.
type Options struct {
	AddGenerationPrompt bool              // open the assistant's turn at the end
	EnableThinking      *bool             // nil leaves the template to its own default
	Tools               []json.RawMessage // JSON objects that describe the tools on offer
	Now                 time.Time         // what strftime_now tells; zero means the present
}

// ErrRefused is wrapped when the template itself rejects the messages by raise_exception.
var ErrRefused = errors.New("the chat template refuses this conversation")

// Render returns the prompt's text. It is to be encoded as it is, without further special tokens.
// What a template may cost has bounds, whatever it is: beyond them the error wraps ErrBudget. It
// ends soon after ctx does.
func (t *Template) Render(ctx context.Context, messages []Message, o Options) (string, error) {
	variables, err := t.variables(messages, o)
	if err != nil {
		return "", err
	}
	text, err := newRendering(ctx).render(t.root, variables)
	switch {
	case err == nil:
		return text, nil
	case errors.Is(err, ErrRefused), errors.Is(err, ctx.Err()):
		return "", err
	}
	return "", fmt.Errorf("chat template: %w", err)
}

// refuse is the function raise_exception(message).
func refuse(a *exec.VarArgs, _ *exec.Value) *exec.Value {
	message, err := stringArgument(a, 0, "message")
	if err != nil {
		message = "for no reason given"
	}
	panic(exhausted{fmt.Errorf("%w: %s", ErrRefused, message)})
}

// variables returns what the template sees beside its built-ins. What is absent stays undefined.
func (t *Template) variables(messages []Message, o Options) (map[string]any, error) {
	v := map[string]any{"add_generation_prompt": o.AddGenerationPrompt, "strftime_now": clock(o.Now), "raise_exception": function(refuse)}
	for name, value := range t.constants {
		v[name] = value
	}
	if o.EnableThinking != nil {
		v["enable_thinking"] = *o.EnableThinking
	}
	if len(o.Tools) > 0 {
		tools := make(list, len(o.Tools))
		for i, tool := range o.Tools {
			var err error
			if tools[i], err = decodeJSON(tool); err != nil {
				return nil, fmt.Errorf("tool %d is not JSON: %w", i, err)
			}
		}
		v["tools"] = tools
	}
	turns := make(list, len(messages))
	for i, m := range messages {
		turn, err := m.value()
		if err != nil {
			return nil, fmt.Errorf("message %d: %w", i, err)
		}
		turns[i] = turn
	}
	v["messages"] = turns
	return v, nil
}

// content is the text or, where there are pictures, a list of parts.
func (m Message) content() any {
	if len(m.Pictures) == 0 {
		return m.Content
	}
	var parts list
	for range m.Pictures {
		parts = append(parts, object([]field{{"type", "image"}}))
	}
	return append(parts, object([]field{{"type", "text"}, {"text", m.Content}}))
}

// value returns the message as templates expect it, tool calls in the form of the OpenAI API.
func (m Message) value() (any, error) {
	fields := []field{{"role", m.Role}, {"content", m.content()}}
	if m.ReasoningContent != "" {
		fields = append(fields, field{"reasoning_content", m.ReasoningContent})
	}
	if len(m.ToolCalls) > 0 {
		calls := make(list, len(m.ToolCalls))
		for i, call := range m.ToolCalls {
			arguments, err := decodeJSON(call.Arguments)
			if err != nil {
				return nil, fmt.Errorf("arguments of %s are not JSON: %w", call.Name, err)
			}
			function := object([]field{{"name", call.Name}, {"arguments", arguments}})
			calls[i] = object([]field{{"type", "function"}, {"function", function}})
		}
		fields = append(fields, field{"tool_calls", calls})
	}
	return object(fields), nil
}
