package untrusted

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
)

// ErrRegexp marks a regular expression that is larger than anyone would write.
var ErrRegexp = errors.New("regular expression too large")

const (
	maxExpression = 64 << 10 // bytes
	maxProgram    = 50_000   // steps, of which each takes 40 bytes and is looked at for each character
)

// Regexp compiles an expression of RE2, if its program is small: (a{30}){30} is short and has nine
// hundred steps.
func Regexp(expression string) (*regexp.Regexp, error) {
	re, _, err := RegexpWithin(expression, maxProgram)
	return re, err
}

// RegexpWithin is Regexp for one expression of several that may have so many steps together; it says how
// many of them this one takes.
func RegexpWithin(expression string, most int) (re *regexp.Regexp, taken int, err error) {
	if len(expression) > maxExpression {
		return nil, 0, fmt.Errorf("%w: it has %d bytes, more than %d", ErrRegexp, len(expression), maxExpression)
	}
	parsed, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return nil, 0, err
	}
	if taken = steps(parsed); taken > min(most, maxProgram) {
		return nil, 0, fmt.Errorf("%w: %.100q repeats too much", ErrRegexp, expression)
	}
	re, err = regexp.Compile(expression)
	return re, taken, err
}

// steps is about how many steps the program of an expression has, or more than maxProgram.
func steps(e *syntax.Regexp) int {
	n := 1
	if e.Op == syntax.OpLiteral {
		n = len(e.Rune)
	}
	for _, sub := range e.Sub {
		n = min(n+steps(sub), maxProgram+1)
	}
	if e.Op == syntax.OpRepeat {
		n = min(n*max(e.Min, e.Max, 1), maxProgram+1)
	}
	return n
}
