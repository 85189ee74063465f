package tokenizer

import (
	"fmt"
	"iter"
	"strings"

	"github.com/dlclark/regexp2"
)

// splitter cuts text into the pieces that BPE merges within. Go's own regexp has no lookahead,
// which every pattern of this family uses for the last space before a word.
type splitter struct {
	expression *regexp2.Regexp
}

// The patterns of Qwen3.5 and of Qwen2 and Qwen3, as their tokenizer.json have them.
const (
	qwen35Pattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	qwen2Pattern  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// knownPatterns are the ones that a tokenizer.json can ask for. The library backtracks, so a pattern
// from outside could take it any time; these look at each character a fixed number of times.
func knownPatterns() []string { return []string{qwen35Pattern, qwen2Pattern} }

// newSplitter compiles the pattern of tokenizer.json.
func newSplitter(expression string) (*splitter, error) {
	// Where case is ignored, the library folds by lower case alone. The `tokenizers` library
	// folds as Unicode does, where U+017F, the long s, is an s; of the letters in the
	// contractions ('s 't 're 've 'm 'll 'd) it is the only one with such a relative.
	folded := strings.Replace(expression, "(?i:'s|", "(?i:'s|'\u017f|", 1)
	re, err := regexp2.Compile(folded, regexp2.None)
	if err != nil {
		return nil, fmt.Errorf("%w: pre_tokenizer pattern: %w", ErrUnsupported, err)
	}
	return &splitter{re}, nil
}

// pieces yields the matches of the pattern and whatever lies between them, in order.
func (s *splitter) pieces(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		runes := []rune(text)
		end := 0
		// The only error is a timeout, and none is set.
		for m, _ := s.expression.FindRunesMatch(runes); m != nil; m, _ = s.expression.FindNextMatch(m) {
			if m.Index > end && !yield(string(runes[end:m.Index])) {
				return
			}
			end = m.Index + m.Length
			if m.Length > 0 && !yield(string(runes[m.Index:end])) {
				return
			}
		}
		if end < len(runes) {
			yield(string(runes[end:]))
		}
	}
}
