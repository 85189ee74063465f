package tokenizer

import (
	"strings"
	"testing"
)

// TestNFC: the wanted forms are what Python's unicodedata gives. Runs of more than 30 marks are
// where the norm package would put a joiner of its own.
func TestNFC(t *testing.T) {
	many := func(s string, n int) string { return strings.Repeat(s, n) }
	for _, c := range []struct{ name, in, want string }{
		{"plain", "abc", "abc"},
		{"accent", "e\u0301", "\u00e9"},
		{"own joiner", "a\u034fe\u0301", "a\u034f\u00e9"},
		{"order", "q" + many("\u0307\u0323", 3), "q" + many("\u0323", 3) + many("\u0307", 3)},
		{"long run", "a" + many("\u0301", 40), "\u00e1" + many("\u0301", 39)},
		{"long run, two classes", "o" + many("\u0323\u0302", 35) + "x\u0308", "\u1ed9" + many("\u0323", 34) + many("\u0302", 34) + "\u1e8d"},
		{"long run at the start", many("\u0301", 33) + "e\u0301", many("\u0301", 33) + "\u00e9"},
		{"hangul", "\u1100\u1161\u11a8" + many("\u0301", 31), "\uac01" + many("\u0301", 31)},
		{"vowel signs", "\u09c7\u09be" + many("\u0323", 31) + "\u2126", "\u09cb" + many("\u0323", 31) + "\u03a9"},
		{"mark that decomposes", many("\u0344", 20), many("\u0308\u0301", 20)},
		{"composed, then below", "\u00e2" + many("\u0323", 32), "\u1ead" + many("\u0323", 31)},
		{"excluded from composition", "\u095c" + many("\u093c", 32), "\u0921" + many("\u093c", 33)},
		{"tibetan", many("\u0f71", 20) + many("\u0f72\u0f74", 10) + "k", many("\u0f71", 20) + many("\u0f72", 10) + many("\u0f74", 10) + "k"},
	} {
		if got := nfc(c.in); got != c.want {
			t.Errorf("%s: nfc(%+q) = %+q, want %+q", c.name, c.in, got, c.want)
		}
	}
}
