package untrusted

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	for _, c := range []struct{ in, text, lines string }{
		{"", "", ""},
		{"model.layers.0.weight", "model.layers.0.weight", "model.layers.0.weight"},
		{`C:\new`, `C:\new`, `C:\new`},
		{"Grüße, 世界 🙂", "Grüße, 世界 🙂", "Grüße, 世界 🙂"},
		{"a\nb\tc\r", `a\nb\tc\r`, "a\nb\tc" + `\r`},
		{"\x1b]0;owned\x07", `\x1b]0;owned\x07`, `\x1b]0;owned\x07`},
		{"\x00\x7f\u009b31m", `\x00\x7f\u009b31m`, `\x00\x7f\u009b31m`},
		{"a\u202egnp.exe\u2066\u200f\u061c", `a\u202egnp.exe\u2066\u200f\u061c`, `a\u202egnp.exe\u2066\u200f\u061c`},
		{"\u2028\u2029\ufeff\u200b\u00ad", `\u2028\u2029\ufeff\u200b\u00ad`, `\u2028\u2029\ufeff\u200b\u00ad`},
		{"\U000e0041\ue000", `\U000e0041\ue000`, `\U000e0041\ue000`},
		{"\xff\xc0\xaf ok", `\xff\xc0\xaf ok`, `\xff\xc0\xaf ok`},
		{"\ufffd", "\ufffd", "\ufffd"},
	} {
		if got := Text(c.in); got != c.text {
			t.Errorf("Text(%q) is %q, want %q", c.in, got, c.text)
		}
		if got := Lines(c.in, 0); got != c.lines {
			t.Errorf("Lines(%q) is %q, want %q", c.in, got, c.lines)
		}
	}
}

func TestTextBounds(t *testing.T) {
	for n, want := range map[int]string{
		TextMax:     strings.Repeat("ä", TextMax),
		TextMax + 1: strings.Repeat("ä", TextMax-1) + "…",
	} {
		if got := Text(strings.Repeat("ä", n)); got != want {
			t.Errorf("Text of %d runes has %d", n, utf8.RuneCountInString(got))
		}
	}
	if got := Lines("abcdefgh\nab\n", 5); got != "abcde… 3 more\nab\n" {
		t.Errorf("Lines: %q", got)
	}
}

// TestJSON: the document means what it meant, and shows nothing raw.
func TestJSON(t *testing.T) {
	want := map[string]string{"\u202e": "a\u009b\x7f\U000e0041\n", "plain": "世界"}
	b, err := json.MarshalIndent(want, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := json.Unmarshal(JSON(b), &got); err != nil || len(got) != 2 || got["\u202e"] != want["\u202e"] || got["plain"] != "世界" {
		t.Errorf("%q, %v from %s", got, err, JSON(b))
	}
	if s := string(JSON(b)); !clean(s, true) {
		t.Errorf("%q", s)
	}
}

func TestCheckName(t *testing.T) {
	for _, good := range []string{"a", "model.layers.0.mlp.experts.511.down_proj.weight_scale_2", "größe", "..a", strings.Repeat("x", NameMax)} {
		if err := CheckName(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", ".", "..", "a/b", `a\b`, "a b", "a\u00a0b", "a\nb", "\x1b[2J", "a\x00", "\u009b", "\u202ea", "a\u200b", "\xff", "\ufffd", strings.Repeat("x", NameMax+1)} {
		if err := CheckName(bad); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", bad, err)
		} else if !clean(err.Error(), false) {
			t.Errorf("%q: the error is not printable: %q", bad, err)
		}
	}
}

// clean says whether s has neither controls (but for newlines and tabs, if lines) nor formats.
func clean(s string, lines bool) bool {
	for _, r := range s {
		if lines && (r == '\n' || r == '\t') {
			continue
		}
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) || unicode.Is(unicode.Bidi_Control, r) {
			return false
		}
	}
	return utf8.ValidString(s)
}

// FuzzText: no control, no format and no invalid byte comes out, and the text of a text is itself.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "a\u202eb", "\x1b[31m\xff\xfe", "a\nb\t\r", `\x1b`, "\u2067\u200e\u061c\u0085", strings.Repeat("\x00", 400), "…"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text, lines := Text(s), Lines(s, 0)
		if !clean(text, false) || !clean(lines, true) {
			t.Fatalf("%q becomes %q and %q", s, text, lines)
		}
		if n := utf8.RuneCountInString(text); n > TextMax {
			t.Fatalf("%d runes", n)
		}
		if Text(text) != text || Lines(lines, 0) != lines {
			t.Fatalf("%q becomes %q, and that %q", s, text, Text(text))
		}
		if CheckName(s) == nil && (Text(s) != s && utf8.RuneCountInString(s) <= TextMax) {
			t.Fatalf("%q is a name, but no text", s)
		}
		for _, bounded := range strings.Split(Lines(s, 10), "\n") {
			if utf8.RuneCountInString(bounded) > 10+len("… 9223372036854775807 more") {
				t.Fatalf("a line of %d runes", utf8.RuneCountInString(bounded))
			}
		}
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back, want string
		if json.Unmarshal(JSON(b), &back) != nil || json.Unmarshal(b, &want) != nil || back != want || !clean(string(JSON(b)), false) {
			t.Fatalf("%s becomes %s", b, JSON(b))
		}
	})
}
