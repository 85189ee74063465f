package tokenizer

import (
	"iter"
	"slices"
	"sort"
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
	byFirst [256][]addedToken // by first byte, in the order of their bytes
}

// newAddedSet makes a set of tokens that differ and are not empty.
func newAddedSet(tokens []addedToken) (s addedSet) {
	slices.SortFunc(tokens, func(a, b addedToken) int { return strings.Compare(a.Content, b.Content) })
	for _, a := range tokens {
		s.byFirst[a.Content[0]] = append(s.byFirst[a.Content[0]], a)
	}
	return s
}

// find returns the added token that is exactly content.
func (s *addedSet) find(content string) (addedToken, bool) {
	a, ok := s.prefix(content)
	return a, ok && a.Content == content
}

// prefix returns the longest added token that text begins with. Byte by byte, the tokens that go on
// as the text does are a shorter stretch of the ordered ones, so that their number costs little.
func (s *addedSet) prefix(text string) (longest addedToken, found bool) {
	if text == "" {
		return addedToken{}, false
	}
	like := s.byFirst[text[0]]
	for n := 1; len(like) > 0; n++ {
		if len(like[0].Content) == n { // the shortest comes first
			longest, found = like[0], true
			like = like[1:]
		}
		if n == len(text) {
			break
		}
		from := sort.Search(len(like), func(i int) bool { return like[i].Content[n] >= text[n] })
		like = like[from:]
		like = like[:sort.Search(len(like), func(i int) bool { return like[i].Content[n] > text[n] })]
	}
	return longest, found
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
