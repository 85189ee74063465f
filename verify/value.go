package verify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/goccy/go-yaml"
)

// Value is a JSON value that stands in YAML as YAML has it; keys keep their order.
type Value json.RawMessage

// UnmarshalYAML writes what was decoded as JSON.
func (v *Value) UnmarshalYAML(unmarshal func(any) error) error {
	var decoded any
	if err := unmarshal(&decoded); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := writeJSON(&b, decoded); err != nil {
		return err
	}
	*v = b.Bytes()
	if !json.Valid(*v) { // as an alias of what is not there
		return errors.New("it is no value")
	}
	return nil
}

// writeJSON writes what the YAML library decodes into an any. How deep that is, yamldoc bounds.
func writeJSON(b *bytes.Buffer, v any) error {
	switch v := v.(type) {
	case yaml.MapSlice:
		return writeAll(b, '{', '}', len(v), func(i int) error {
			key, is := v[i].Key.(string)
			if !is {
				return fmt.Errorf("the key %v is no text, which JSON has no other keys than", v[i].Key)
			}
			if err := writeJSON(b, key); err != nil {
				return err
			}
			b.WriteByte(':')
			return writeJSON(b, v[i].Value)
		})
	case []any:
		return writeAll(b, '[', ']', len(v), func(i int) error { return writeJSON(b, v[i]) })
	case Value: // an alias of one
		b.Write(v)
		return nil
	case nil, bool, string, int, int64, uint64, float64:
		e := json.NewEncoder(b)
		e.SetEscapeHTML(false)
		err := e.Encode(v)
		b.Truncate(len(bytes.TrimRight(b.Bytes(), "\n")))
		return err
	}
	return errors.New("an alias in it stands for something of the case, not for a plain value")
}

// writeAll writes n items between brackets.
func writeAll(b *bytes.Buffer, from, to byte, n int, item func(i int) error) error {
	b.WriteByte(from)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := item(i); err != nil {
			return err
		}
	}
	b.WriteByte(to)
	return nil
}

// text is the value where it is text, else its JSON.
func (v Value) text() string {
	var s string
	if json.Unmarshal(v, &s) == nil {
		return s
	}
	return string(v)
}
