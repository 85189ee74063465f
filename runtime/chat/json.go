package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// field is one key of an object, in its place.
type field struct {
	key   string
	value any
}

// object returns an object for templates, which keeps the order of its fields.
func object(fields []field) any {
	if len(fields) == 0 {
		return map[string]any{} // the ordered kind would count as true in a condition
	}
	d := exec.NewDict()
	for _, f := range fields {
		d.Pairs = append(d.Pairs, &exec.Pair{Key: exec.AsValue(f.key), Value: exec.AsValue(f.value)})
	}
	return d
}

// list is a list for templates.
type list []any

// decodeJSON decodes one JSON value for a template: objects keep their order, whole numbers are
// integers, nothing at all is an empty object.
func decodeJSON(data []byte) (any, error) {
	if len(data) == 0 {
		return object(nil), nil
	}
	var whole json.RawMessage // checked here, syntax and depth, so that what follows need not
	if err := json.Unmarshal(data, &whole); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(whole))
	d.UseNumber()
	return decodeValue(d)
}

func decodeValue(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			return decodeObject(d)
		}
		return decodeList(d)
	case json.Number:
		if i, err := strconv.Atoi(t.String()); err == nil {
			return i, nil
		}
		return t.Float64()
	default:
		return token, nil
	}
}

func decodeObject(d *json.Decoder) (any, error) {
	var fields []field
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		value, err := decodeValue(d)
		if err != nil {
			return nil, err
		}
		fields = append(fields, field{key.(string), value})
	}
	_, err := d.Token()
	return object(fields), err
}

func decodeList(d *json.Decoder) (any, error) {
	items := list{}
	for d.More() {
		v, err := decodeValue(d)
		if err != nil {
			return nil, err
		}
		items = append(items, v)
	}
	_, err := d.Token()
	return items, err
}

// toJSON is the filter tojson as transformers has it, which is Python's json.dumps: spaces after
// commas and colons, order kept, no HTML escapes, characters outside ASCII as they are.
func toJSON(r *rendering, in *exec.Value, a *exec.VarArgs) (*exec.Value, error) {
	w := jsonWriter{rendering: r}
	if indent, ok := a.KwArgs["indent"]; ok && indent.IsInteger() {
		w.indent = strings.Repeat(" ", max(0, min(indent.Integer(), 16)))
		w.lines = true
	}
	if err := w.value(in, 0); err != nil {
		return nil, err
	}
	return stringValue(w.out.String()), nil
}

// jsonWriter writes template values as JSON, on one line or indented.
type jsonWriter struct {
	rendering *rendering
	out       strings.Builder
	indent    string
	lines     bool
}

func (w *jsonWriter) value(v *exec.Value, depth int) error {
	nested(depth)
	w.rendering.spend(1)
	w.rendering.make(itemBytes + len(w.indent)*depth)
	switch x := v.Interface().(type) {
	case nil:
		w.out.WriteString("null")
	case bool:
		w.out.WriteString(strconv.FormatBool(x))
	case string:
		w.string(x)
	case list:
		return w.list(x, depth)
	case *exec.Dict, map[string]any:
		return w.object(v, depth)
	default:
		if !v.IsNumber() {
			return errors.New("the value has no form in JSON")
		}
		w.out.WriteString(v.String())
	}
	return nil
}

func (w *jsonWriter) list(l list, depth int) (err error) {
	w.out.WriteByte('[')
	for i, item := range l {
		w.next(i, depth+1)
		if err := w.value(exec.ToValue(item), depth+1); err != nil {
			return err
		}
	}
	w.end(len(l), depth, ']')
	return nil
}

func (w *jsonWriter) object(v *exec.Value, depth int) (err error) {
	w.out.WriteByte('{')
	n := 0
	w.rendering.each(v, func(key, item *exec.Value) bool {
		w.next(n, depth+1)
		w.string(w.rendering.text(key))
		w.out.WriteString(": ")
		err = w.value(item, depth+1)
		n++
		return err == nil
	})
	w.end(n, depth, '}')
	return err
}

// next separates item i of a list or object from what stands before it.
func (w *jsonWriter) next(i, depth int) {
	switch {
	case i > 0 && !w.lines:
		w.out.WriteString(", ")
	case i > 0:
		w.out.WriteByte(',')
	}
	w.newline(depth)
}

func (w *jsonWriter) end(items, depth int, bracket byte) {
	if items > 0 {
		w.newline(depth)
	}
	w.out.WriteByte(bracket)
}

func (w *jsonWriter) newline(depth int) {
	if w.lines {
		w.out.WriteByte('\n')
		w.out.WriteString(strings.Repeat(w.indent, depth))
	}
}

// string writes s quoted: only quotes, backslashes and control characters are escaped.
func (w *jsonWriter) string(s string) {
	short := map[rune]string{'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\b': `\b`, '\f': `\f`}
	w.rendering.make(len(s))
	w.out.WriteByte('"')
	for _, r := range s {
		if escape, ok := short[r]; ok {
			w.out.WriteString(escape)
		} else if r < 0x20 {
			fmt.Fprintf(&w.out, `\u%04x`, r)
		} else {
			w.out.WriteRune(r)
		}
	}
	w.out.WriteByte('"')
}
