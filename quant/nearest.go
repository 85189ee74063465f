package quant

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// nearCount is how many names an error offers in place of a pattern that matches none.
const nearCount = 3

// notName is what a pattern has and a name has not.
var notName = regexp.MustCompile(`^re:|[*?{}\[\]^$\\()+|]`)

// nearest lists the names with a run of parts that is spelled most like the pattern's words, best
// first. "**.donw_proj" is compared with every single part, "layers.0.mpl" with every three.
func nearest(pattern string, names []string) []string {
	words := patternWords(pattern)
	type near struct {
		name     string
		distance int
	}
	var found []near
	for _, n := range names {
		found = append(found, near{n, wordsDistance(words, withoutWeightParts(n))})
	}
	slices.SortStableFunc(found, func(a, b near) int { return cmp.Compare(a.distance, b.distance) })
	var out []string
	for _, f := range found[:min(nearCount, len(found))] {
		out = append(out, f.name)
	}
	return out
}

// patternWords are the parts of a pattern that hold more than wildcards.
func patternWords(pattern string) []string {
	var words []string
	for part := range strings.SplitSeq(pattern, ".") {
		if w := notName.ReplaceAllString(part, ""); w != "" {
			words = append(words, w)
		}
	}
	return words
}

func withoutWeightParts(name string) []string {
	return strings.Split(strings.TrimSuffix(bareName(name), ".weight"), ".")
}

// wordsDistance is the least edit distance between the words and as many parts in a row.
func wordsDistance(words, parts []string) int {
	want := strings.Join(words, ".")
	count := min(max(len(words), 1), len(parts))
	best := -1
	for i := 0; i+count <= len(parts); i++ {
		d := levenshtein.ComputeDistance(want, strings.Join(parts[i:i+count], "."))
		if best < 0 || d < best {
			best = d
		}
	}
	return best
}
