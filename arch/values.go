package arch

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"qimport/internal/untrusted"
)

// ErrConfig marks a config.json that is malformed, incomplete or contradicts itself.
var ErrConfig = errors.New("bad config.json")

// ErrUnsupported marks a model that qimport does not know how to run; the text names what it is that
// is not supported.
var ErrUnsupported = errors.New("model not supported")

// finding is one thing wrong with a config. Its text names the key and does not repeat the sentinel.
type finding struct {
	kind error // ErrConfig or ErrUnsupported
	text string
}

func (f finding) Error() string { return f.text }

func (f finding) Unwrap() error { return f.kind }

// section is an object of config.json, of which every value is read when its type is known. What is
// wrong with one is noted, and stood in for: by what a missing one would mean, or by 0 where it must
// not be missing, of which nothing more is said.
type section struct {
	path     string // what stands before its keys in findings: "" or "rope_parameters."
	values   map[string]json.RawMessage
	findings *[]error
}

func newSection(path string, b []byte, findings *[]error) section {
	s := section{path: path, findings: findings}
	if err := untrusted.Unmarshal(b, &s.values); err != nil || s.values == nil {
		whole := strings.TrimSuffix(path, ".")
		if whole == "" {
			whole = "the file"
		}
		if err == nil {
			err = errors.New("null")
		}
		s.bad("%s is no JSON object: %v", whole, err)
	}
	return s
}

// bad notes what is malformed, missing or a contradiction.
func (s section) bad(format string, args ...any) {
	*s.findings = append(*s.findings, finding{ErrConfig, fmt.Sprintf(format, args...)})
}

// unsupported notes what a model may well be, but cannot be run.
func (s section) unsupported(format string, args ...any) {
	*s.findings = append(*s.findings, finding{ErrUnsupported, fmt.Sprintf(format, args...)})
}

// has says whether the key is there with a value that is not null.
func (s section) has(key string) bool {
	raw, ok := s.values[key]
	return ok && string(raw) != "null"
}

// read fills v from a key that may be missing, and says whether it did. kind is what the value
// should have been, for the finding: "a whole number".
func (s section) read(key string, v any, kind string) bool {
	if !s.has(key) {
		return false
	}
	if err := json.Unmarshal(s.values[key], v); err != nil {
		s.bad("%s%s is %.40s, not %s", s.path, key, s.values[key], kind)
		return false
	}
	return true
}

// section is the object of a key that is there.
func (s section) section(key string) section {
	return newSection(s.path+key+".", s.values[key], s.findings)
}

// size is a number from 1 to limit that must be there.
func (s section) size(key string, limit int) int {
	if !s.has(key) {
		s.bad("%s%s is missing", s.path, key)
	}
	return s.sizeOr(key, 0, limit)
}

// sizeOr is a number from 1 to limit that may be missing.
func (s section) sizeOr(key string, missing, limit int) int {
	n := missing
	if !s.read(key, &n, "a whole number") {
		return missing
	}
	if n < 1 || n > limit {
		s.bad("%s%s is %d; it must be from 1 to %d", s.path, key, n, limit)
		return missing
	}
	return n
}

// number is a number that may be missing.
func (s section) number(key string, missing float64) float64 {
	n := missing
	if !s.read(key, &n, "a number") {
		return missing
	}
	return n
}

// flag is true or false, and may be missing.
func (s section) flag(key string, missing bool) bool {
	b := missing
	if !s.read(key, &b, "true or false") {
		return missing
	}
	return b
}

// word is a string that may be missing.
func (s section) word(key, missing string) string {
	w := missing
	if !s.read(key, &w, "a string") {
		return missing
	}
	return w
}

// divides notes that a does not divide b, which it must.
func (s section) divides(aKey string, a int, bKey string, b int) {
	if a > 0 && b%a != 0 {
		s.bad("%s is %d, which %s, %d, does not divide", bKey, b, aKey, a)
	}
}
