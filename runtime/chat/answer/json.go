package answer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"qimport/runtime/chat"
)

// parseJSON reads a call such as {"name": "tide", "arguments": {"harbour": "Oban"}}.
func parseJSON(body string) (chat.ToolCall, error) {
	var call struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	}
	if err := json.Unmarshal([]byte(body), &call); err != nil {
		return chat.ToolCall{}, fmt.Errorf("it is neither JSON nor <function=…>: %w", err)
	}
	if call.Name == "" {
		return chat.ToolCall{}, errors.New("it names no function")
	}
	if len(call.Arguments) == 0 {
		call.Arguments = json.RawMessage("{}")
	}
	if call.Arguments[0] != '{' {
		return chat.ToolCall{}, fmt.Errorf("arguments of %.40q are no JSON object", call.Name)
	}
	return chat.ToolCall{Name: call.Name, Arguments: call.Arguments}, nil
}

// Same says whether two calls are of one function with the same arguments, in any order.
func Same(a, b chat.ToolCall) bool {
	return a.Name == b.Name && SameJSON(a.Arguments, b.Arguments)
}

// SameJSON says whether two values of JSON mean the same: keys in any order, numbers by what they are worth.
// What is no JSON is the same as nothing.
func SameJSON(a, b []byte) bool {
	x, err := decoded(a)
	if err != nil {
		return false
	}
	y, err := decoded(b)
	return err == nil && same(x, y)
}

func decoded(b []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

func same(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for key, value := range a {
			if other, there := b[key]; !there || !same(value, other) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !same(a[i], b[i]) {
				return false
			}
		}
		return true
	case json.Number:
		b, ok := b.(json.Number)
		return ok && sameNumber(a, b)
	}
	return a == b
}

func sameNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	x, err := a.Float64()
	if err != nil {
		return false
	}
	y, err := b.Float64()
	return err == nil && x == y
}
