// Package score owns what a model expected after each token of some texts: the texts as token ids, the
// files that log-probabilities are kept in, and the comparison of two models' expectations, position
// by position and summed up as a divergence.
//
// Rows of numbers come in. It must not know models, their files, or the checks that judge what it
// finds.
package score
