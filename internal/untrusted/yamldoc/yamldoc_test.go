package yamldoc

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"qimport/internal/untrusted"
)

// bomb makes entries, each of which holds the one before it twice.
func bomb(n int, entry string) string {
	b := "- &a0 {prompt: x}\n"
	for i := 1; i < n; i++ {
		b += fmt.Sprintf(entry, i, i-1, i-1)
	}
	return b
}

func TestParseRefuses(t *testing.T) {
	const max = 4 << 20
	for name, text := range map[string]string{
		"brackets":         strings.Repeat("[", max),
		"brackets, a line": strings.Repeat("[\n", max/2),
		"many values":      "[" + strings.Repeat("1,", max/2-1) + "]",
		"mappings":         strings.Repeat("{a: ", max/4),
		"lists":            strings.Repeat("- ", max/2),
		"lists of aliases": bomb(40, "- &a%d [*a%d, *a%d]\n"),
		"text of aliases":  "- &a " + strings.Repeat("x", 1<<20) + "\n" + strings.Repeat("- *a\n", 65),
		"merged mappings":  bomb(40, "- &a%d {<<: [*a%d, *a%d]}\n"),
	} {
		start := time.Now()
		if _, err := Read(strings.NewReader(text), name, max); !errors.Is(err, ErrBudget) {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(start); took > time.Minute {
			t.Errorf("%s: %v", name, took)
		}
	}
	if _, err := Read(strings.NewReader(strings.Repeat("a", 100)), "it", 99); !errors.Is(err, untrusted.ErrTooLarge) {
		t.Error(err)
	}
	if _, err := Parse([]byte("a: 1\n---\nb: 2\n")); err == nil || !strings.Contains(err.Error(), "2 documents") {
		t.Error(err)
	}
}

func TestParse(t *testing.T) {
	for text, empty := range map[string]bool{
		"": true, "# nothing\n": true, "a: &x {b: 1}\nc: *x\n": false, "- [[[[[[[[[[1]]]]]]]]]]\n": false,
		"- prompt: '[[[[[[[[{{{{'\n": false, "- &a {x: 1}\n- {<<: *a}\n": false,
	} {
		if n, err := Parse([]byte(text)); err != nil || (n == nil) != empty {
			t.Errorf("%q: %v, %v", text, n, err)
		}
	}
}

// FuzzParse: whatever stands in a file, reading it ends.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"", "- a", "a: &x [1]\nb: *x", "&a [*a]", "? ? ?", bomb(5, "- &a%d {<<: [*a%d, *a%d]}\n"), "- [[[{", "a: |\n  b\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		_, _ = Parse(text)
	})
}
