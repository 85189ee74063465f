package answer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"qimport/runtime/chat"
)

// The marks of a call that is written like XML, without being any: values are not escaped.
const (
	functionOpen, functionClose   = "<function=", "</function>"
	parameterOpen, parameterClose = "<parameter=", "</parameter>"
)

// parseXML reads a call such as
//
//	<function=tide>
//	<parameter=harbour>
//	Oban
//	</parameter>
//	</function>
//
// A value is text; the tool of that name says what else it may be.
func parseXML(body string, tools []json.RawMessage) (chat.ToolCall, error) {
	name, rest, named := strings.Cut(strings.TrimPrefix(body, functionOpen), ">")
	if name = strings.TrimSpace(name); !named || name == "" {
		return chat.ToolCall{}, errors.New("it names no function")
	}
	types := parameterTypes(tools, name)
	var fields bytes.Buffer
	seen := map[string]bool{}
	for {
		rest = strings.TrimSpace(rest)
		if rest == functionClose {
			break
		}
		parameter, value, after, err := cutParameter(rest)
		if err != nil {
			return chat.ToolCall{}, fmt.Errorf("of %.40q %w", name, err)
		}
		if seen[parameter] {
			return chat.ToolCall{}, fmt.Errorf("of %.40q the parameter %.40q is given twice", name, parameter)
		}
		seen[parameter] = true
		if fields.Len() > 0 {
			fields.WriteByte(',')
		}
		fields.Write(text(parameter))
		fields.WriteByte(':')
		fields.Write(typed(value, types[parameter]))
		rest = after
	}
	return chat.ToolCall{Name: name, Arguments: json.RawMessage("{" + fields.String() + "}")}, nil
}

// cutParameter takes the first parameter off what is left of a call.
func cutParameter(rest string) (name, value, after string, err error) {
	inside, is := strings.CutPrefix(rest, parameterOpen)
	if !is {
		return "", "", "", fmt.Errorf("%.40q stands where %s…> or %s should", rest, parameterOpen, functionClose)
	}
	name, inside, named := strings.Cut(inside, ">")
	if name = strings.TrimSpace(name); !named || name == "" {
		return "", "", "", errors.New("a parameter has no name")
	}
	value, after, closed := strings.Cut(inside, parameterClose)
	if !closed {
		return "", "", "", fmt.Errorf("the parameter %.40q has no %s", name, parameterClose)
	}
	return name, strings.TrimSuffix(strings.TrimPrefix(value, "\n"), "\n"), after, nil
}

// types is what a parameter may be, in the words of JSON schema.
type types []string

func (t *types) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*t = types{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(t))
}

// parameterTypes are those of the tool with that name; none where it does not say.
func parameterTypes(tools []json.RawMessage, name string) map[string]types {
	for _, b := range tools {
		var tool struct {
			Function struct {
				Name       string
				Parameters struct {
					Properties map[string]json.RawMessage
				}
			}
		}
		if json.Unmarshal(b, &tool) != nil || tool.Function.Name != name {
			continue
		}
		all := map[string]types{}
		for parameter, schema := range tool.Function.Parameters.Properties {
			all[parameter] = typesOf(schema)
		}
		return all
	}
	return nil
}

// typesOf are the types of a schema, or of the schemas that it leaves the choice of.
func typesOf(schema []byte) types {
	var s struct {
		Type  types
		AnyOf []struct{ Type types }
	}
	if json.Unmarshal(schema, &s) != nil {
		return nil
	}
	for _, one := range s.AnyOf {
		s.Type = append(s.Type, one.Type...)
	}
	return s.Type
}

// typed is a value as JSON: null where it says so, else the first of the kinds that it may be and is, else
// text.
func typed(value string, may types) []byte {
	if strings.EqualFold(value, "null") {
		return []byte("null")
	}
	is := map[string]bool{}
	for _, t := range may {
		is[t] = true
	}
	if lower := strings.ToLower(value); is["boolean"] && (lower == "true" || lower == "false") {
		return []byte(lower)
	}
	if _, err := strconv.ParseInt(value, 10, 64); is["integer"] && err == nil && json.Valid([]byte(value)) {
		return []byte(value)
	}
	if _, err := strconv.ParseFloat(value, 64); is["number"] && err == nil && json.Valid([]byte(value)) {
		return []byte(value)
	}
	if whole := strings.TrimSpace(value); whole != "" && (is["array"] && whole[0] == '[' || is["object"] && whole[0] == '{') && json.Valid([]byte(whole)) {
		return []byte(whole)
	}
	return text(value)
}

// text is a string as JSON.
func text(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil { // no string can fail to encode
		panic(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
