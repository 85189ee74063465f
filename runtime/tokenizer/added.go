package tokenizer

import (
	"iter"
	"slices"
	"strings"
)

// addedToken is one entry of "added_tokens": a string that is a token wherever it stands.
type addedToken struct {
	ID         int    `json:"id"`
	Content    string `json:"content"`
	Special    bool   `json:"special"`    // control tokens, which skipSpecial leaves out of the text
	Normalized bool   `json:"normalized"` // matched after the normalizer, not before
	SingleWord bool   `json:"single_word"`
	LeftStrip  bool   `json:"lstrip"`
	RightStrip bool   `json:"rstrip"`
}

// ordinary marks a piece that is not an added token.
const ordinary = -1

// addedSet finds added tokens in text: the leftmost one, and of those the longest.
type addedSet struct {
	byFirst [256][]addedToken // by first byte, longest first
}

func (s *addedSet) add(a addedToken) {
	list := append(s.byFirst[a.Content[0]], a)
	slices.SortStableFunc(list, func(a, b addedToken) int { return len(b.Content) - len(a.Content) })
	s.byFirst[a.Content[0]] = list
}

// find returns the added token that is exactly content.
func (s *addedSet) find(content string) (addedToken, bool) {
	a, ok := s.prefix(content)
	return a, ok && a.Content == content
}

// prefix returns the longest added token that text begins with.
func (s *addedSet) prefix(text string) (addedToken, bool) {
	if text == "" {
		return addedToken{}, false
	}
	for _, a := range s.byFirst[text[0]] {
		if strings.HasPrefix(text, a.Content) {
			return a, true
		}
	}
	return addedToken{}, false
}

// pieces cuts text into added tokens ("", id) and the text between them (text, ordinary).
func (s *addedSet) pieces(text string) iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		start := 0
		for i := 0; i < len(text); {
			a, ok := s.prefix(text[i:])
			if !ok {
				i++
				continue
			}
			if start < i && !yield(text[start:i], ordinary) || !yield("", a.ID) {
				return
			}
			i += len(a.Content)
			start = i
		}
		if start < len(text) {
			yield(text[start:], ordinary)
		}
	}
}
