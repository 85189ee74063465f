package source

import (
	"encoding/json"
	"errors"

	"qimport/internal/untrusted"
)

// object is a JSON object whose values are read when their type is known.
type object map[string]json.RawMessage

func parseObject(b []byte) (object, error) {
	var o object
	if err := untrusted.Unmarshal(b, &o); err != nil {
		return nil, err
	}
	if o == nil {
		return nil, errors.New("null is no object")
	}
	return o, nil
}

// has says whether the key is there with a value that is not null.
func (o object) has(key string) bool {
	raw, ok := o[key]
	return ok && string(raw) != "null"
}

// str is the key's string; "" if it is none.
func (o object) str(key string) string {
	var s string
	if json.Unmarshal(o[key], &s) != nil {
		return ""
	}
	return s
}
