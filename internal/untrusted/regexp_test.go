package untrusted

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestRegexp: an expression that people write compiles; one that would make a program without end is
// refused at once.
func TestRegexp(t *testing.T) {
	for expression, bad := range map[string]bool{
		`\b(4|four)\b`: false, `(?s)8\b.*\b14\b`: false, `a{1000}`: false, `(a{30}){30}`: false,
		`(a{1000}){1000}`: true, `(\pL{100})`: false, `((a{30}){30}){30}{30}`: true, `((\pL\pL){50}){9}`: false, `(\pL{30}){30}`: false, `(`: true,
		strings.Repeat("a", maxExpression+1): true, strings.Repeat("(", 2000) + strings.Repeat(")", 2000): true,
	} {
		start := time.Now()
		if _, err := Regexp(expression); (err != nil) != bad {
			t.Errorf("%.100s: %v", expression, err)
		}
		if took := time.Since(start); took > time.Minute {
			t.Errorf("%.100s took %v", expression, took)
		}
	}
	if _, err := Regexp(strings.Repeat("a", maxExpression+1)); !errors.Is(err, ErrRegexp) {
		t.Error(err)
	}
}
