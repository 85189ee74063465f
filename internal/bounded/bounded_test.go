package bounded

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

// held fails if f takes longer or more than it should.
func held(t *testing.T, name string, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	f()
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	if made := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 2*time.Second*patience || made > 512 {
		t.Errorf("%s: %v, %d MiB made", name, took, made)
	} else if testing.Verbose() {
		t.Logf("%s: %v, %d MiB made", name, took, made)
	}
}

func TestYAMLAttacks(t *testing.T) {
	many := strings.Repeat
	laughs := "a: &a [x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c < 'k'; c++ {
		laughs += string(c) + ": &" + string(c) + " [" + many("*"+string(c-1)+", ", 8) + "*" + string(c-1) + "]\n"
	}
	blocks := ""
	for i := range 400 {
		blocks += many(" ", i) + "a:\n"
	}
	for name, c := range map[string]struct {
		text string
		bad  bool
	}{
		"too large":           {many("a", 1<<20+1), true},
		"laughs":              {laughs, true},
		"an anchor in itself": {"&a [*a]", true},
		"lists":               {many("[", 100_000), true},
		"closed lists":        {many("[", 100_000) + many("]", 100_000), true},
		"objects":             {many("{a: ", 100_000), true},
		"entries":             {many("- ", 100_000) + "a", true},
		"keys":                {many("? ", 100_000) + "a", true},
		"blocks":              {blocks, true},
		"many lines":          {many("- a: 1\n", 30_000), false},
		"a long line":         {"a: " + many("b", 1_000_000), false},
		"many quotes":         {many("'a' ", 50_000), true},
		"an open quote":       {"'" + many("a\n", 300_000), true},
		"a block of text":     {"a: |\n" + many("  b\n", 200_000), false},
		"quotes in turn":      {strings.Repeat("'a' \"a\" ", 20_000), true},
		"many documents":      {many("---\na\n", 10_000), true},
		"aliases":             {"- &a {x: 1}\n" + many("- *a\n", 100), false},
		"many comments":       {many("# a\n", 50_000), false},
		"many tags":           {many("!a ", 50_000), true},
		"many anchors":        {many("&a ", 50_000), true},
		"nothing":             {"", false},
	} {
		held(t, name, func() {
			body, err := YAML(strings.NewReader(c.text), 1<<20)
			if err == nil && body != nil {
				var v any
				err = yaml.NodeToValue(body, &v)
			}
			if (err != nil) != c.bad {
				t.Errorf("%s: %.200v", name, err)
			}
		})
	}
}

func TestRegexp(t *testing.T) {
	for expression, bad := range map[string]bool{
		`\b(4|four)\b`: false, `(?s)8\b.*\b14\b`: false, `a{1000}`: false, `(a{30}){30}`: false,
		`(a{1000}){1000}`: true, `(\pL{100})`: false, `((a{30}){30}){30}{30}`: true, `((\pL\pL){50}){9}`: false, `(\pL{30}){30}`: false, `(`: true,
		strings.Repeat("a", maxExpression+1): true, strings.Repeat("(", 2000) + strings.Repeat(")", 2000): true,
	} {
		held(t, expression[:min(len(expression), 30)], func() {
			if _, err := Regexp(expression); (err != nil) != bad {
				t.Errorf("%.100s: %v", expression, err)
			}
		})
	}
	if _, err := Regexp(strings.Repeat("a", maxExpression+1)); !errors.Is(err, ErrBound) {
		t.Error(err)
	}
}

// FuzzYAML: whatever the text, reading it ends soon.
func FuzzYAML(f *testing.F) {
	f.Add("- a: &x 1\n  b: *x\n")
	f.Add("{a: [b, c]}")
	f.Fuzz(func(t *testing.T, text string) {
		start := time.Now()
		_, _ = YAML(strings.NewReader(text), 1<<16)
		if took := time.Since(start); took > time.Second*patience {
			t.Errorf("%v", took)
		}
	})
}
