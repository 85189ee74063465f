package safetensors

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"qimport/quant"
)

// bad is a rejection at byte at of the JSON, told as a byte of the file.
func bad(at int, format string, args ...any) error {
	return fmt.Errorf("byte %d: %s: %w", 8+at, fmt.Sprintf(format, args...), ErrBadHeader)
}

// scanHeader fills h from the header's JSON. encoding/json checks the grammar; names, numbers and
// duplicates, on which it is lenient, are read by hand.
func scanHeader(text []byte, h *Header) error {
	if err := checkText(text); err != nil {
		return err
	}
	c := &cursor{b: text}
	if c.space(); c.b[c.i] != '{' {
		return bad(c.i, "the header is not an object")
	}
	return c.object(func(name string, at int) error {
		if name == "__metadata__" {
			return c.metadata(h)
		}
		t, err := c.entry(at)
		if err != nil {
			return fmt.Errorf("tensor %.200q: %w", name, err)
		}
		if len(h.Tensors) == MaxTensors {
			return bad(at, "more than %d tensors", MaxTensors)
		}
		t.Name = name
		h.Tensors = append(h.Tensors, t)
		return nil
	})
}

func checkText(text []byte) error {
	if utf8.Valid(text) && json.Valid(text) {
		return nil
	}
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return bad(i, "invalid UTF-8")
		}
		i += size
	}
	var whole json.RawMessage
	if err := json.Unmarshal(text, &whole); err != nil {
		at := len(text)
		if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
			at = int(syntax.Offset)
		}
		return bad(at, "invalid JSON: %v", err)
	}
	return nil
}

// metadata reads an object of strings, or null, which MLX writes for none.
func (c *cursor) metadata(h *Header) error {
	at := c.space()
	if c.b[at] == 'n' {
		c.skip()
		return nil
	}
	if c.b[at] != '{' {
		return bad(at, "__metadata__ is not an object of strings")
	}
	h.Metadata = map[string]string{}
	return c.object(func(key string, at int) error {
		if c.b[at] != '"' {
			return bad(at, "__metadata__ %.200q is not a string", key)
		}
		value, err := c.str()
		h.Metadata[key] = value
		return err
	})
}

// entry reads {"dtype":…,"shape":[…],"data_offsets":[…]} and holds its range to its shape. Other
// fields are passed over.
func (c *cursor) entry(at int) (t Tensor, err error) {
	if c.b[at] != '{' {
		return t, bad(at, "the entry is not an object")
	}
	var offsets []int
	err = c.object(func(key string, at int) (err error) {
		switch key {
		case "dtype":
			t.Dtype, err = c.dtype()
		case "shape":
			t.Shape, err = c.sizes()
		case "data_offsets":
			offsets, err = c.sizes()
		default:
			c.skip()
		}
		return err
	})
	if err != nil {
		return t, err
	}
	if t.Dtype == quant.NoDtype || t.Shape == nil || len(offsets) != 2 {
		return t, bad(at, "dtype, shape or two data_offsets are missing")
	}
	t.Begin, t.End = int64(offsets[0]), int64(offsets[1])
	n, ok := dataBytes(t.Dtype, t.Shape)
	if !ok {
		return t, bad(at, "shape %v overflows", t.Shape)
	}
	if t.Begin > t.End || uint64(t.End-t.Begin) != n {
		return t, bad(at, "data_offsets %v do not hold the %d bytes of %s %v", offsets, n, t.Dtype, t.Shape)
	}
	return t, nil
}

func (c *cursor) dtype() (quant.Dtype, error) {
	at := c.space()
	if c.b[at] != '"' {
		return 0, bad(at, "dtype is not a string")
	}
	name, err := c.str()
	if err != nil {
		return 0, err
	}
	d, err := quant.ParseDtype(name)
	if err != nil {
		return 0, bad(at, "%v", err)
	}
	return d, nil
}

// sizes reads an array of natural numbers; never nil.
func (c *cursor) sizes() ([]int, error) {
	at := c.space()
	if c.b[at] != '[' {
		return nil, bad(at, "not an array of sizes")
	}
	c.i++
	list := []int{}
	for c.space(); c.b[c.i] != ']'; c.space() {
		if c.b[c.i] == ',' {
			c.i++
			c.space()
		}
		at := c.i
		c.skip()
		n, err := strconv.ParseUint(string(c.b[at:c.i]), 10, 64)
		if err != nil || n > math.MaxInt64 {
			return nil, bad(at, "%.40s is no size", c.b[at:c.i])
		}
		if len(list) == maxRank {
			return nil, bad(at, "more than %d dimensions", maxRank)
		}
		list = append(list, int(n))
	}
	c.i++
	return list, nil
}
