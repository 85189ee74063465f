package recipe

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"qimport/arch"
	"qimport/internal/untrusted"
)

// pattern says which tensor names a rule is about.
//
// A glob has the dot as separator: "*" stays within a part, "**" goes across parts, "?" is one
// character of a part, "[ab]" a set, "{a,b}" either, "{0..15}" a range of numbers. Behind "re:"
// stands a regular expression (RE2), which may match anywhere in the name unless anchored.
type pattern struct {
	match func(name string) bool
}

// maxPattern bounds a pattern, in bytes.
const maxPattern = 4 << 10

// maxRange bounds "{0..N}": the largest Qwen3.x has 512 experts, and each number is an alternative.
const maxRange = 4096

// numberRange finds the ranges of a glob; two dots occur in no tensor name.
var numberRange = regexp.MustCompile(`([0-9]+)\.\.([0-9]+)`)

func parsePattern(text string) (pattern, error) {
	if text == "" {
		return pattern{}, errors.New("the pattern is empty")
	}
	if len(text) > maxPattern {
		return pattern{}, fmt.Errorf("the pattern has %d bytes, more than %d", len(text), maxPattern)
	}
	if expr, ok := strings.CutPrefix(text, "re:"); ok {
		return parseRegexp(expr)
	}
	expanded, err := expandRanges(text)
	if err != nil {
		return pattern{}, err
	}
	expression, err := globExpression(expanded)
	if err != nil {
		return pattern{}, fmt.Errorf("pattern %q: %w", text, err)
	}
	re, err := untrusted.Regexp(expression)
	if err != nil {
		return pattern{}, fmt.Errorf("pattern %q: %w", text, err)
	}
	return pattern{match: re.MatchString}, nil
}

// globExpression writes a glob as a regular expression, whose time grows with the name only: trying
// every way to match "{a,aa}{a,aa}…" would double it with each pair of braces.
func globExpression(glob string) (string, error) {
	var out strings.Builder
	open := 0
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; {
		case strings.HasPrefix(glob[i:], "**"):
			out.WriteString(".*")
			i++
		case c == '*':
			out.WriteString("[^.]*")
		case c == '?':
			out.WriteString("[^.]")
		case c == '{':
			open++
			out.WriteString("(?:")
		case c == ',' && open > 0:
			out.WriteByte('|')
		case c == '}' && open > 0:
			open--
			out.WriteByte(')')
		case c == '[':
			end := strings.IndexByte(glob[i:], ']')
			if end < 2 {
				return "", errors.New("unclosed or empty [")
			}
			set, negated := strings.CutPrefix(glob[i+1:i+end], "!")
			out.WriteString("[")
			if negated {
				out.WriteByte('^')
			}
			out.WriteString(strings.NewReplacer(`\`, `\\`, "[", `\[`, "^", `\^`).Replace(set) + "]")
			i += end
		case c == '\\' && i+1 < len(glob):
			i++
			out.WriteString(regexp.QuoteMeta(glob[i : i+1]))
		default:
			out.WriteString(regexp.QuoteMeta(glob[i : i+1]))
		}
	}
	if open > 0 {
		return "", errors.New("unclosed {")
	}
	return `(?s)\A(?:` + out.String() + `)\z`, nil
}

func parseRegexp(expr string) (pattern, error) {
	if expr == "" {
		return pattern{}, errors.New("the regular expression behind re: is empty")
	}
	re, err := untrusted.Regexp(expr)
	if err != nil {
		return pattern{}, fmt.Errorf("pattern %q: %w", "re:"+expr, err)
	}
	return pattern{match: re.MatchString}, nil
}

// expandRanges writes "{0..3,7}" as "{0,1,2,3,7}".
func expandRanges(text string) (string, error) {
	var bad error
	out := numberRange.ReplaceAllStringFunc(text, func(r string) string {
		ends := numberRange.FindStringSubmatch(r)
		from, errFrom := strconv.Atoi(ends[1])
		to, errTo := strconv.Atoi(ends[2])
		if errFrom != nil || errTo != nil || from > to || to-from >= maxRange {
			bad = fmt.Errorf("pattern %q: the range %s must rise and hold at most %d numbers", text, r, maxRange)
			return r
		}
		numbers := make([]string, 0, to-from+1)
		for n := from; n <= to; n++ {
			numbers = append(numbers, strconv.Itoa(n))
		}
		return strings.Join(numbers, ",")
	})
	return out, bad
}

// matchesAny says whether the pattern matches one of the spellings of a name.
func (p pattern) matchesAny(spellings []string) bool {
	for _, s := range spellings {
		if p.match(s) {
			return true
		}
	}
	return false
}

// spellings lists every way a user may write a tensor's name: those that arch knows, and each of them
// without ".weight".
func spellings(name string) []string {
	var out []string
	for _, s := range arch.Spellings(name) {
		out = withoutWeight(out, s)
	}
	return out
}

func withoutWeight(out []string, name string) []string {
	out = append(out, name)
	if module, ok := strings.CutSuffix(name, ".weight"); ok {
		out = append(out, module)
	}
	return out
}
