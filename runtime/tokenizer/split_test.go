package tokenizer

import (
	"errors"
	"slices"
	"testing"
)

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		name, pattern, text string
		want                []string
	}{
		{"contractions", qwen35Pattern, "it's IT'S we'LL x'\u017fo", []string{"it", "'s", " IT", "'S", " we", "'LL", " x", "'\u017f", "o"}},
		{"digits one by one", qwen35Pattern, "a123", []string{"a", "1", "2", "3"}},
		{"last space goes with the word", qwen35Pattern, "a   b", []string{"a", "  ", " b"}},
		{"last space stays before a digit", qwen35Pattern, "a   1", []string{"a", "  ", " ", "1"}},
		{"spaces at the end", qwen35Pattern, "a   ", []string{"a", "   "}},
		{"no-break space", qwen35Pattern, "a\u00a0\u00a0b", []string{"a", "\u00a0", "\u00a0b"}},
		{"line ends", qwen35Pattern, "a \r\n\n b!\n\n", []string{"a", " \r\n\n", " b", "!\n\n"}},
		{"marks are letters", qwen35Pattern, "का 9", []string{"का", " ", "9"}},
		{"marks are not letters", qwen2Pattern, "का 9", []string{"क", "ा", " ", "9"}},
		{"what matches nothing is a piece", `\d`, "ab1c", []string{"ab", "1", "c"}},
		{"empty matches are none", `x*`, "axb", []string{"a", "x", "b"}},
	} {
		s, err := newSplitter(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.Collect(s.pieces(c.text)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q splits into %q, want %q", c.name, c.text, got, c.want)
		}
	}
	if _, err := newSplitter(`(`); !errors.Is(err, ErrUnsupported) {
		t.Errorf("a broken pattern gives %v", err)
	}
}
