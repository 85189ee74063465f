package yamldoc

import (
	"fmt"
	"strings"
	"testing"

	"github.com/goccy/go-yaml/ast"
)

// TestResolve: every entry of a list can be decoded by itself afterwards.
func TestResolve(t *testing.T) {
	const text = `
- &a {x: one, y: &b two}
- *a
- {<<: *a, x: three}
- x: *b
  <<: [{y: four, z: five}, *a]
- x: |
    six
`
	n, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	texts := 0
	n, err = Resolve(n, func(line int, text string) (string, error) { texts++; return fmt.Sprintf("%s%d", text, line), nil })
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range n.(*ast.SequenceNode).Values {
		var v struct{ X, Y, Z string }
		if err := Decode(entry, &v); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(v))
	}
	if want := "{one2 two2 } {one2 two2 } {three4 two2 } {two2 four6 five6} {six\n8  }"; strings.Join(got, " ") != want {
		t.Errorf("%q, want %q", strings.Join(got, " "), want)
	}
	if texts != 6 {
		t.Errorf("%d texts were changed", texts)
	}
}

func TestResolveRefuses(t *testing.T) {
	for text, says := range map[string]string{
		"- 1\n- *a":         "line 2: nothing before it has the anchor &a",
		"- x\n- {a: bad}":   "line 2: no",
		"&a [*a]":           "nothing before it",
		"- &b {<<: *b}\n":   "nothing before it",
		"- {<<: 3, x: one}": "",
	} {
		n, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		_, err = Resolve(n, func(_ int, text string) (string, error) {
			if text == "bad" {
				return "", fmt.Errorf("no")
			}
			return text, nil
		})
		if says == "" && err == nil {
			err = Decode(n, new([]struct{ X string }))
		}
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
