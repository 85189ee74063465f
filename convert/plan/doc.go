// Package plan owns the decision what an import writes: blob by blob, tensor by tensor, with the rule
// that decided each. A plan is plain data, made without reading a weight; it prints, and it says what
// will run worse for it.
//
// It must not write, and knows no clock, no terminal and no order of maps.
package plan
