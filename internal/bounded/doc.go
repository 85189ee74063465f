// Package bounded reads what people and strangers write, YAML and regular expressions, with an end to
// what it costs: it is measured before anything is made of it that could be larger.
//
// It must not know what the text is for.
package bounded

import "errors"

// ErrBound is wrapped when a text is larger, deeper or means more than anyone would write.
var ErrBound = errors.New("more than anyone writes")
