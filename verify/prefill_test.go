package verify

import (
	"slices"
	"strings"
	"testing"
)

func TestPrefillLengths(t *testing.T) {
	got, note := prefillLengths(nil, 1000)
	if !slices.Equal(got, []int{1, 31, 33, 513}) || !strings.Contains(note, "2049") {
		t.Errorf("in a context of 1000: %v (%s)", got, note)
	}
	got, note = prefillLengths([]int{33, 1, 33}, 0)
	if !slices.Equal(got, []int{1, 33}) || note != "" {
		t.Errorf("asked for twice: %v (%s)", got, note)
	}
}

func TestSingleSteps(t *testing.T) {
	for weights, want := range map[int64]int{0: mostSteps, 22e6: mostSteps, 1e9: 100, 3e9: 33, 70e9: 1, 200e9: 0} {
		if got := singleSteps(weights); got != want {
			t.Errorf("of %d bytes: %d, want %d", weights, got, want)
		}
	}
}

func TestPrompt(t *testing.T) {
	if got := prompt([]int{1, 2, 3}, 7); !slices.Equal(got, []int{1, 2, 3, 1, 2, 3, 1}) {
		t.Errorf("got %v", got)
	}
}
