package safetensors

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf16"
)

// cursor walks JSON whose grammar has been checked already.
type cursor struct {
	b []byte
	i int
}

// space moves to the next token and says where that is.
func (c *cursor) space() int {
	for c.i < len(c.b) && (c.b[c.i] == ' ' || c.b[c.i] == '\t' || c.b[c.i] == '\n' || c.b[c.i] == '\r') {
		c.i++
	}
	return c.i
}

// object reads an object, key by key; value must consume the value that begins at byte at. A key
// that comes twice is refused.
func (c *cursor) object(value func(key string, at int) error) error {
	seen := map[string]bool{}
	c.i++ // {
	for c.space(); c.b[c.i] != '}'; c.space() {
		if c.b[c.i] == ',' {
			c.i++
		}
		at := c.space()
		key, err := c.str()
		if err != nil {
			return err
		}
		if seen[key] {
			return bad(at, "%.200q is there twice", key)
		}
		seen[key] = true
		c.space()
		c.i++ // :
		if err := value(key, c.space()); err != nil {
			return err
		}
	}
	c.i++ // }
	return nil
}

// str reads a string. Escaped surrogates must come in pairs.
func (c *cursor) str() (string, error) {
	at := c.i
	c.skip()
	raw := c.b[at:c.i]
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), nil
	}
	if i := loneSurrogate(raw); i >= 0 {
		return "", bad(at+i, "half of a surrogate pair")
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", bad(at, "%v", err)
	}
	return s, nil
}

// loneSurrogate finds an escape \uD800…\uDFFF that is not one of a pair; -1 for none.
func loneSurrogate(raw []byte) int {
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		r := escaped(raw[i:])
		if !utf16.IsSurrogate(r) {
			i++
			continue
		}
		if utf16.DecodeRune(r, escaped(raw[i+6:])) == '\uFFFD' {
			return i
		}
		i += 11
	}
	return -1
}

// escaped is the code unit that \uXXXX at the start of raw names; -1 if there is no such escape.
func escaped(raw []byte) rune {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(n)
}

// skip passes over one value.
func (c *cursor) skip() {
	depth := 0
	for {
		switch c.b[c.i] {
		case '{', '[':
			depth++
			c.i++
		case '}', ']':
			depth--
			c.i++
		case '"':
			c.quoted()
		case ',', ':', ' ', '\t', '\n', '\r':
			c.i++
			continue
		default:
			c.bare()
		}
		if depth == 0 {
			return
		}
	}
}

func (c *cursor) quoted() {
	for c.i++; c.b[c.i] != '"'; c.i++ {
		if c.b[c.i] == '\\' {
			c.i++
		}
	}
	c.i++
}

// bare passes over a number, true, false or null.
func (c *cursor) bare() {
	for ; c.i < len(c.b); c.i++ {
		switch c.b[c.i] {
		case ',', ']', '}', ' ', '\t', '\r', '\n':
			return
		}
	}
}
