package files

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"qimport/internal/untrusted"
)

// ErrBroken is wrapped by every refusal of what is in a file.
var ErrBroken = errors.New("broken file")

// maxBytes bounds a file that is read here. Those of released models have a few MB at most.
const maxBytes = 64 << 20

// reader reads files and remembers what was wrong with them.
type reader struct {
	set  Set
	errs []error
}

// file is a file's content, and whether there is such a file.
func (r *reader) file(name string) (content []byte, there bool) {
	b, err := r.set.File(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, false
	case err != nil:
		r.errs = append(r.errs, fmt.Errorf("%s: %w", name, err))
	case len(b) > maxBytes:
		r.refuse("%s has %d bytes, more than %d", name, len(b), maxBytes)
		b = nil
	}
	return b, true
}

func (r *reader) refuse(format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf("%w: "+format, append([]any{ErrBroken}, args...)...))
}

// object is a JSON object whose values are read when their type is known.
type object struct {
	r    *reader
	name string // of the file, and of the key in it
	keys map[string]json.RawMessage
}

// object reads a file as an object; without keys if there is no such file.
func (r *reader) object(name string) object {
	o := object{r: r, name: name}
	b, there := r.file(name)
	if !there || b == nil {
		return o
	}
	if err := untrusted.Unmarshal(b, &o.keys); err != nil {
		r.refuse("%s: %w", name, err)
	} else if o.keys == nil {
		r.refuse("%s: null is no object", name)
	}
	return o
}

// value is what the key holds, and whether that is something other than null.
func (o object) value(key string) (raw json.RawMessage, there bool) {
	raw, there = o.keys[key]
	return raw, there && string(raw) != "null"
}

func (o object) refuse(key string, raw json.RawMessage, want string) {
	o.r.refuse("%s: %s is %.40s, not %s", o.name, key, raw, want)
}

// object is the object that the key holds; without keys if there is none.
func (o object) object(key string) object {
	inner := object{r: o.r, name: o.name + ": " + key}
	if raw, there := o.value(key); there && json.Unmarshal(raw, &inner.keys) != nil {
		o.refuse(key, raw, "an object")
	}
	return inner
}

// token is a token's text: a string, or an object with the key content.
func (o object) token(key string) string {
	raw, there := o.value(key)
	var text string
	if !there || json.Unmarshal(raw, &text) == nil {
		return text
	}
	var entry struct{ Content *string }
	if json.Unmarshal(raw, &entry) != nil || entry.Content == nil {
		o.refuse(key, raw, "a token or an object with its content")
		return ""
	}
	return *entry.Content
}

// ids is one id, or a list of them.
func (o object) ids(key string) []int {
	raw, there := o.value(key)
	if !there {
		return nil
	}
	var one int
	if json.Unmarshal(raw, &one) == nil {
		return []int{one}
	}
	var list []*int // null is no id
	if json.Unmarshal(raw, &list) != nil || slices.Contains(list, nil) {
		o.refuse(key, raw, "an id or a list of ids")
		return nil
	}
	ids := make([]int, len(list))
	for i, id := range list {
		ids[i] = *id
	}
	return ids
}

// template is a template, or the one called "default" of a list of {name, template}.
func (o object) template(key string) string {
	raw, there := o.value(key)
	var text string
	if !there || json.Unmarshal(raw, &text) == nil {
		return text
	}
	var list []struct{ Name, Template string }
	if json.Unmarshal(raw, &list) != nil {
		o.refuse(key, raw, "a template or a list of them by name")
	}
	for _, entry := range list {
		if entry.Name == "default" {
			return entry.Template
		}
	}
	return ""
}
