package recipe

import (
	"regexp"
	"strings"

	"github.com/agnivade/levenshtein"

	"qimport/arch"
)

// nearCount is how many names an error offers in place of a pattern that matches none.
const nearCount = 3

// notName is what a pattern has and a name has not.
var notName = regexp.MustCompile(`^re:|[*?{}\[\]^$\\()+|]`)

// nearest lists the names with a run of parts that is spelled most like the pattern's words.
// "**.donw_proj" is compared with every single part, "layers.0.mpl" with every three. Of names that
// differ in their numbers only, the first stands for all.
func nearest(pattern string, names []string) []string {
	words := patternWords(pattern)
	best := -1
	var out []string
	forms := map[string]bool{}
	for _, n := range names {
		d := wordsDistance(words, withoutWeightParts(n))
		if best < 0 || d < best {
			best, out = d, nil
			clear(forms)
		}
		if form := number.ReplaceAllString(n, "0"); d == best && len(out) < nearCount && !forms[form] {
			forms[form] = true
			out = append(out, n)
		}
	}
	return out
}

var number = regexp.MustCompile(`[0-9]+`)

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
	_, bare := arch.CutPrefix(name)
	return strings.Split(strings.TrimSuffix(bare, ".weight"), ".")
}

// wordsDistance is the least edit distance between the words and as many parts in a row, of which
// more letters before or after count as one.
func wordsDistance(words, parts []string) int {
	want := strings.Join(words, ".")
	count := min(max(len(words), 1), len(parts))
	best := -1
	for i := 0; i+count <= len(parts); i++ {
		have := strings.Join(parts[i:i+count], ".")
		d := levenshtein.ComputeDistance(want, have)
		if d > 1 && want != "" && strings.Contains(have, want) {
			d = 1
		}
		if best < 0 || d < best {
			best = d
		}
	}
	return best
}
