package tokenizer

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// bytesOf returns the ids of the single-byte tokens that spell s.
func bytesOf(tok *Tokenizer, s string) []int {
	var ids []int
	for i := range len(s) {
		ids = append(ids, int(tok.bpe.bytes[s[i]]))
	}
	return ids
}

// TestStream pushes one byte a token and looks at what comes out after each.
func TestStream(t *testing.T) {
	tok := fixture(t)
	for _, c := range []struct {
		name, bytes string
		want        []string // after each byte, then after Flush
	}{
		{"ascii", "ab", []string{"a", "b", ""}},
		{"four bytes", "🙂", []string{"", "", "", "🙂", ""}},
		{"unfinished at the end", "a\xf0\x9f\x99", []string{"a", "", "", "", "\ufffd"}},
		{"start broken off", "\xf0\x9fa", []string{"", "", "\ufffda", ""}},
		{"start after start", "\xe4\xbd\xe4\xbd\xa0", []string{"", "", "\ufffd", "", "你", ""}},
		{"never valid", "\xff\x80", []string{"\ufffd", "\ufffd", ""}},
		{"overlong", "\xc0\xaf", []string{"\ufffd", "\ufffd", ""}},
		{"surrogate", "\xed\xa0\x80", []string{"", "\ufffd\ufffd", "\ufffd", ""}},
		{"beyond Unicode", "\xf4\x90", []string{"", "\ufffd\ufffd", ""}},
		{"a genuine U+FFFD is not held back", "\ufffd", []string{"", "", "\ufffd", ""}},
	} {
		s := tok.NewStream(false)
		var got []string
		for _, id := range bytesOf(tok, c.bytes) {
			got = append(got, s.Push(id))
		}
		if got = append(got, s.Flush()); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestStreamAddedTokenFlushes(t *testing.T) {
	tok := fixture(t)
	end, _ := tok.ID("<|im_end|>")
	think, _ := tok.ID("<think>")
	half := bytesOf(tok, "\xf0\x9f")
	for _, c := range []struct {
		skip bool
		id   int
		want string
	}{
		{false, end, "\ufffd<|im_end|>"},
		{true, end, "\ufffd"},
		{true, think, "\ufffd<think>"},
	} {
		s := tok.NewStream(c.skip)
		s.Push(half[0])
		s.Push(half[1])
		if got := s.Push(c.id); got != c.want {
			t.Errorf("skip %v, id %d: %q, want %q", c.skip, c.id, got, c.want)
		}
		if got := s.Flush(); got != "" {
			t.Errorf("skip %v, id %d: %q is left", c.skip, c.id, got)
		}
	}
}

// FuzzStream: whatever the ids, each piece is whole characters, no more than three bytes wait,
// and text that is UTF-8 comes back as it was.
func FuzzStream(f *testing.F) {
	tok := fixture(f)
	f.Add("a\xf0\x9f\x99\xed\xa0\x80é")
	f.Add("日本語 🙂")
	f.Fuzz(func(t *testing.T, raw string) {
		s := tok.NewStream(true)
		var out strings.Builder
		for _, id := range bytesOf(tok, raw) {
			piece := s.Push(id)
			if !utf8.ValidString(piece) || len(s.pending) > 3 {
				t.Fatalf("%q: piece %q, pending %q", raw, piece, s.pending)
			}
			out.WriteString(piece)
		}
		out.WriteString(s.Flush())
		if utf8.ValidString(raw) && out.String() != raw {
			t.Errorf("%q came back as %q", raw, out.String())
		}
	})
}
