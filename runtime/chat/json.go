package chat

import (
	"bytes"
	"encoding/json"
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

// list is a list for templates. It finds items from the end by itself: gonja does not find the
// first one that way, so messages[-1] of a single message would be undefined.
type list []any

// GetItem is how gonja asks for list[i].
func (l list) GetItem(key any) (*exec.Value, bool) {
	i, ok := key.(int)
	if ok && i < 0 {
		i += len(l)
	}
	if !ok || i < 0 || i >= len(l) {
		return exec.AsValue(nil), false
	}
	return exec.ToValue(l[i]), true
}

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
func toJSON(_ *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
	if in.IsError() {
		return in
	}
	w := jsonWriter{}
	if indent, ok := params.KwArgs["indent"]; ok && indent.IsInteger() {
		w.indent = strings.Repeat(" ", max(0, min(indent.Integer(), 16)))
		w.lines = true
	}
	if err := w.value(in, 0); err != nil {
		return exec.AsValue(err)
	}
	return exec.AsSafeValue(w.out.String())
}

// jsonWriter writes template values as JSON, on one line or indented.
type jsonWriter struct {
	out    strings.Builder
	indent string
	lines  bool
}

// maxDepth bounds nesting: templates can make a value that contains itself.
const maxDepth = 1000

func (w *jsonWriter) value(v *exec.Value, depth int) error {
	switch {
	case depth > maxDepth:
		return fmt.Errorf("tojson: nested deeper than %d", maxDepth)
	case v.IsError():
		return v
	case v.IsNil():
		w.out.WriteString("null")
	case v.IsBool():
		w.out.WriteString(strconv.FormatBool(v.Bool()))
	case v.IsString():
		w.string(v.String())
	case v.IsNumber():
		w.out.WriteString(v.String())
	case v.IsList():
		return w.list(v, depth)
	case v.IsDict():
		return w.object(v, depth)
	default:
		return fmt.Errorf("tojson: %s is not a JSON value", v.String())
	}
	return nil
}

func (w *jsonWriter) list(v *exec.Value, depth int) (err error) {
	w.out.WriteByte('[')
	for i := range v.Len() {
		w.next(i, depth+1)
		if err := w.value(v.Index(i), depth+1); err != nil {
			return err
		}
	}
	w.end(v.Len(), depth, ']')
	return nil
}

func (w *jsonWriter) object(v *exec.Value, depth int) error {
	w.out.WriteByte('{')
	keys := v.Keys()
	for i, key := range keys {
		w.next(i, depth+1)
		w.string(key.String())
		w.out.WriteString(": ")
		item, _ := v.GetItem(key.Interface())
		if err := w.value(item, depth+1); err != nil {
			return err
		}
	}
	w.end(len(keys), depth, '}')
	return nil
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
