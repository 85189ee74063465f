package tokenizer

import "unicode/utf8"

// Stream turns ids into text as they come, holding bytes back until they are whole characters:
// a character may be spread over several tokens. It is for one goroutine.
type Stream struct {
	tokenizer   *Tokenizer
	skipSpecial bool
	pending     []byte // at most 3 between calls: an unfinished but valid start of a character
}

// NewStream starts a stream. With skipSpecial, tokens that the file marks special give no text.
func (t *Tokenizer) NewStream(skipSpecial bool) *Stream {
	return &Stream{tokenizer: t, skipSpecial: skipSpecial}
}

// Push returns the text that id completes, often "". An added token is written out as it is,
// after whatever was pending. Ids that have no token (padding rows of the model) give nothing.
func (s *Stream) Push(id int) string {
	if a, ok := s.tokenizer.added[id]; ok {
		text := s.Flush()
		if a.Special && s.skipSpecial {
			return text
		}
		return text + a.Content
	}
	if id < 0 || id >= len(s.tokenizer.tokens) {
		return ""
	}
	s.pending = appendTokenBytes(s.pending, s.tokenizer.tokens[id])
	text, rest := wholeCharacters(s.pending)
	s.pending = append(s.pending[:0], rest...)
	return string(text)
}

// Flush returns what is pending at the end of the text: nothing, or U+FFFD for a character that
// was never finished.
func (s *Stream) Flush() string {
	if len(s.pending) == 0 {
		return ""
	}
	s.pending = s.pending[:0]
	return string(utf8.RuneError)
}

// wholeCharacters splits b into text and the unfinished start of a character at its end. Bytes
// that can never become a character are U+FFFD, one for each longest valid start among them, as
// Unicode recommends and Rust and Python do.
func wholeCharacters(b []byte) (text, rest []byte) {
	for len(b) > 0 && utf8.FullRune(b) {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			n = brokenStart(b)
		}
		text = utf8.AppendRune(text, r)
		b = b[n:]
	}
	return text, b
}

// brokenStart returns the length of the longest start of b that could have begun a character,
// at least one byte.
func brokenStart(b []byte) int {
	n := 1
	for n < len(b) && !utf8.FullRune(b[:n+1]) {
		n++
	}
	return n
}
