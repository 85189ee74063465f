package adapter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"

	"qimport/internal/untrusted"
)

const (
	maxRank    = 1 << 16   // no matrix of a model has as many rows
	maxMatches = 4_000_000 // patterns times modules: a second of matching
)

// patterns are PEFT's rank_pattern or alpha_pattern: the number of the first expression that matches the
// end of a module's path, from a dot on or whole.
type patterns []pattern

type pattern struct {
	expression *regexp.Regexp
	value      float64
}

// UnmarshalJSON reads the object in the order in which it is written.
func (p *patterns) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return fmt.Errorf("a pattern of ranks or alphas is not an object")
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		one := pattern{}
		if one.expression, err = untrusted.Regexp(`^(?:.*\.)?(?:` + fmt.Sprint(key) + `)$`); err != nil {
			return fmt.Errorf("pattern %.80q: %w", key, err)
		}
		if err := dec.Decode(&one.value); err != nil {
			return fmt.Errorf("pattern %.80q: %w", key, err)
		}
		*p = append(*p, one)
	}
	return nil
}

// of is the number for a module, or the one that holds where no pattern matches.
func (p patterns) of(module string, otherwise float64) float64 {
	for _, one := range p {
		if one.expression.MatchString(module) {
			return one.value
		}
	}
	return otherwise
}
