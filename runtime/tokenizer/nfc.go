package tokenizer

import (
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// joiner is the combining grapheme joiner, which the norm package puts into runs of more than
// 30 combining marks ("stream-safe text"). Plain NFC does not, and neither does `tokenizers`.
const joiner = "\u034f"

// nfc returns text in Unicode normalization form C. The tables are Go's; `tokenizers` has older
// ones, so marks newer than Unicode 9 may be ordered there as they came.
func nfc(text string) string {
	out := norm.NFC.String(text)
	if strings.Count(out, joiner) == strings.Count(text, joiner) {
		return out
	}
	return compose(decompose(text))
}

// decompose returns text fully decomposed and its marks in canonical order.
func decompose(text string) []rune {
	var runes []rune
	for _, r := range text {
		runes = append(runes, []rune(norm.NFD.String(string(r)))...)
	}
	for i := 0; i < len(runes); {
		end := i + 1
		for end < len(runes) && class(runes[end]) != 0 {
			end++
		}
		start := i
		if class(runes[start]) == 0 {
			start++
		}
		slices.SortStableFunc(runes[start:end], func(a, b rune) int { return class(a) - class(b) })
		i = end
	}
	return runes
}

// class returns the canonical combining class of r: 0 for a starter.
func class(r rune) int { return int(norm.NFD.PropertiesString(string(r)).CCC()) }

// compose joins each starter with the marks that follow it wherever Unicode has a character for
// both and nothing of the same class stands between.
func compose(runes []rune) string {
	var out []rune
	starter, last := -1, 0 // index in out; class of what was written last since, -1 for nothing
	for _, r := range runes {
		c := class(r)
		if starter >= 0 && last < c {
			if joined, ok := primary(out[starter], r); ok {
				out[starter] = joined
				continue
			}
		}
		if c == 0 {
			starter, last = len(out), -1
		} else {
			last = c
		}
		out = append(out, r)
	}
	return string(out)
}

// primary returns the one character that a and b compose to.
func primary(a, b rune) (rune, bool) {
	s := norm.NFC.String(string([]rune{a, b}))
	r, n := utf8.DecodeRuneInString(s)
	return r, n == len(s)
}

// validUTF8 returns text with every run of bytes that are not UTF-8 replaced by U+FFFD.
func validUTF8(text string) string { return strings.ToValidUTF8(text, string(utf8.RuneError)) }
