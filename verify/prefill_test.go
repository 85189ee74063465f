package verify

import (
	"slices"
	"strings"
	"testing"
)

func TestPrefillLengths(t *testing.T) {
	got, note := prefillLengths(DefaultLengths(), 1000)
	if !slices.Equal(got, []int{1, 3, 31, 33, 513}) || !strings.Contains(note, "2049") {
		t.Errorf("in a context of 1000: %v (%s)", got, note)
	}
	got, note = prefillLengths([]int{33, 1, 33}, 0)
	if !slices.Equal(got, []int{1, 33}) || note != "" {
		t.Errorf("asked for twice: %v (%s)", got, note)
	}
}

func TestPrompt(t *testing.T) {
	if got := prompt([]int{1, 2, 3}, 7); !slices.Equal(got, []int{1, 2, 3, 1, 2, 3, 1}) {
		t.Errorf("got %v", got)
	}
}
