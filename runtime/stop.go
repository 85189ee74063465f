package runtime

import (
	"slices"
	"strings"
)

// stopper lets text through up to the first stop string. It holds back what may be the beginning
// of one.
type stopper struct {
	stops []string
	held  string
}

// newStopper ignores empty stop strings.
func newStopper(stops []string) *stopper {
	return &stopper{stops: slices.DeleteFunc(slices.Clone(stops), func(s string) bool { return s == "" })}
}

// push takes a piece of text; it returns what may be shown, and whether a stop string came.
func (s *stopper) push(piece string) (show string, stopped bool) {
	s.held += piece
	if at := s.find(); at >= 0 {
		show, s.held = s.held[:at], ""
		return show, true
	}
	keep := s.partial()
	show, s.held = s.held[:len(s.held)-keep], s.held[len(s.held)-keep:]
	return show, false
}

// flush is what was held back when the text ends.
func (s *stopper) flush() string {
	show := s.held
	s.held = ""
	return show
}

// find is where the first stop string begins, or -1.
func (s *stopper) find() int {
	first := -1
	for _, stop := range s.stops {
		if at := strings.Index(s.held, stop); at >= 0 && (first < 0 || at < first) {
			first = at
		}
	}
	return first
}

// partial is the length of the longest end of the text that begins a stop string.
func (s *stopper) partial() int {
	longest := 0
	for _, stop := range s.stops {
		for n := min(len(stop)-1, len(s.held)); n > longest; n-- {
			if strings.HasSuffix(s.held, stop[:n]) {
				longest = n
			}
		}
	}
	return longest
}
