package runtime

import (
	"slices"
	"testing"
)

func TestStopper(t *testing.T) {
	for _, tt := range []struct {
		name   string
		stops  []string
		pieces []string
		shown  []string // after each piece, and at the end
		stop   bool
	}{
		{"none", nil, []string{"a", "b"}, []string{"a", "b", ""}, false},
		{"in a piece", []string{"END"}, []string{"x END y"}, []string{"x "}, true},
		{"over pieces", []string{"END"}, []string{"x E", "N", "D"}, []string{"x ", "", ""}, true},
		{"a false start", []string{"END"}, []string{"xE", "N", "x"}, []string{"x", "", "ENx", ""}, false},
		{"held at the end", []string{"END"}, []string{"xEN"}, []string{"x", "EN"}, false},
		{"start within a start", []string{"aab"}, []string{"aa", "ab"}, []string{"", "a"}, true},
		{"the first of two", []string{"cd", "b"}, []string{"abcd"}, []string{"a"}, true},
		{"empty never stops", []string{""}, []string{"ab"}, []string{"ab", ""}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStopper(tt.stops)
			var shown []string
			stopped := false
			for _, p := range tt.pieces {
				var text string
				text, stopped = s.push(p)
				shown = append(shown, text)
			}
			if !stopped {
				shown = append(shown, s.flush())
			}
			if !slices.Equal(shown, tt.shown) || stopped != tt.stop {
				t.Errorf("got %q, stopped %v, want %q, %v", shown, stopped, tt.shown, tt.stop)
			}
		})
	}
}
