package untrusted

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// TextMax is the most runes that Text makes of one value.
const TextMax = 300

// NameMax is the most bytes of a name.
const NameMax = 512

// ErrName marks a name that cannot be one.
var ErrName = errors.New("no sound name")

// Text is a value from outside on one line: what steers a terminal or turns the order of its letters
// is written as an escape (\n, \x1b, \u202e), and so is what is no UTF-8; what is longer than TextMax
// runes ends in an ellipsis. Backslashes stay as they are, so that the text of a text is itself.
func Text(s string) string { return cut(escape(s, false), TextMax) }

// Lines is text from outside that may have lines and tabs: each line as Text has it, but of at most
// max runes, with the number of those left out; 0 for any number.
func Lines(s string, max int) string {
	if max == 0 {
		return escape(s, true)
	}
	lines := strings.Split(escape(s, true), "\n")
	for i, line := range lines {
		if n := utf8.RuneCountInString(line); n > max {
			lines[i] = fmt.Sprintf("%s… %d more", first(line, max), n-max)
		}
	}
	return strings.Join(lines, "\n")
}

// JSON is a JSON document in which the same runes are escapes of JSON. It means what it meant.
func JSON(b []byte) []byte {
	if printable(string(b), true) {
		return b
	}
	out := make([]byte, 0, len(b)+len(b)/8)
	for _, r := range string(b) { // they can only stand in strings
		switch {
		case harmless(r) || r == '\n' || r == '\t' || r == '\r':
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			high, low := surrogates(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}

func surrogates(r rune) (high, low rune) {
	r -= 0x10000
	return 0xd800 + r>>10, 0xdc00 + r&0x3ff
}

// CheckName refuses what cannot be the name of a tensor, a file or a layer: a name that is empty or
// of more than NameMax bytes, has spaces or separators of paths, or runes that Text would escape.
func CheckName(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("it is empty: %w", ErrName)
	case len(s) > NameMax:
		return fmt.Errorf("it has %d bytes, more than %d: %w", len(s), NameMax, ErrName)
	case s == "." || s == "..":
		return fmt.Errorf("%q is a folder: %w", s, ErrName)
	}
	for i, r := range s {
		if !harmless(r) || unicode.IsSpace(r) || r == '/' || r == '\\' || r == utf8.RuneError {
			return fmt.Errorf("byte %d: it has a character that no name has: %w", i, ErrName)
		}
	}
	return nil
}

// harmless says whether a rune only shows itself: letters, marks, numbers, punctuation, symbols and
// spaces do. Controls, formats (the bidirectional ones among them), separators of lines and what has
// no meaning yet do not.
func harmless(r rune) bool { return unicode.IsGraphic(r) }

// printable says whether escape would leave s as it is.
func printable(s string, lines bool) bool {
	for i := 0; i < len(s); {
		r, size := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
		}
		invalid := r == utf8.RuneError && size == 1
		if invalid || !harmless(r) && !(lines && (r == '\n' || r == '\t')) {
			return false
		}
		i += size
	}
	return true
}

// escape writes escapes for all that is not harmless, but for newlines and tabs if lines.
func escape(s string, lines bool) string {
	if printable(s, lines) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case harmless(r), lines && (r == '\n' || r == '\t'):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += size
	}
	return b.String()
}

// cut shortens s to max runes, the last of which is then an ellipsis.
func cut(s string, max int) string {
	if first(s, max) == s {
		return s
	}
	return first(s, max-1) + "…"
}

// first is the first n runes of s.
func first(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
