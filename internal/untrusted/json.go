package untrusted

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// Unmarshal reads JSON as json.Unmarshal does, and says what is wrong with it without words of Go: neither types
// nor fields of ours.
func Unmarshal(b []byte, into any) error {
	if len(b) == 0 {
		return errors.New("it is missing")
	}
	err := json.Unmarshal(b, into)
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return err
	}
	where := "it"
	if wrong.Field != "" {
		where = Text(wrong.Field)
	}
	return fmt.Errorf("%s is %s, where %s is due", where, found(wrong.Value), due(wrong.Type))
}

// found is a kind of JSON value, in which package json's words may come with the value itself.
func found(kind string) string {
	switch kind, value, _ := strings.Cut(kind, " "); kind {
	case "bool":
		return "true or false"
	case "number":
		if value == "" {
			return "a number"
		}
		return "the number " + Text(value)
	case "array":
		return "a list"
	case "object":
		return "an object"
	}
	return "a string"
}

func due(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "an object"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "a whole number in range"
}
