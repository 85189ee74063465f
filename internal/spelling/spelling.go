// Package spelling guesses which known word a mistyped one was meant to be.
//
// It must not know what the words are for.
package spelling

import (
	"strings"

	"github.com/agnivade/levenshtein"
)

// Nearest is the known word that is spelled most like the one typed; "" where none is like it, so that a
// guess is never far-fetched. Of equally near ones it is the first.
func Nearest(typed string, known []string) string {
	lower := strings.ToLower(typed)
	best, least := "", most(lower)+1
	for _, word := range known {
		if d := levenshtein.ComputeDistance(lower, strings.ToLower(word)); d < least {
			best, least = word, d
		}
	}
	return best
}

// maxTyped is the longest text that is compared, in bytes: no known word is that long, and the cost grows
// with the length.
const maxTyped = 64

// most is how many letters a typed word may be off: one in three, and of four letters two, since two that
// are swapped count as two.
func most(typed string) int {
	if typed == "" || len(typed) > maxTyped {
		return -1
	}
	return (len(typed) + 2) / 3
}

// DidYouMean is the guess in brackets, to stand after the word, or "".
func DidYouMean(typed string, known []string) string {
	if guess := Nearest(typed, known); guess != "" {
		return " (did you mean " + guess + "?)"
	}
	return ""
}
