package verify

import (
	"fmt"
	"math"
	"slices"
)

// DefaultLengths are the prompt lengths at which prefill is held to token-by-token decoding: one
// token, both sides of a multiple of 32, and just past the sizes at which kernels and chunks change.
func DefaultLengths() []int { return []int{1, 31, 33, 513, 2049} }

// The largest difference of a log-probability that prefill and decoding may show among the tokens
// that are at all likely. Sums in another order differ by 1e-5 in float32; in bf16 a whole model
// differs from its float32 self by up to 0.3.
const (
	prefillToleranceF32  = 5e-3
	prefillToleranceBF16 = 0.5
)

// likely is how far below the likeliest token, in nats, a token still counts: a difference further
// down moves no answer, and there even sound sums differ more.
const likely = 7

// largestDifference is the largest difference of log-probability between two rows of logits among
// the tokens that either holds likely; NaN if either row is not finite.
func largestDifference(a, b []float32) float64 {
	if len(a) != len(b) || len(a) == 0 {
		return math.NaN()
	}
	maxA, _ := top(a)
	maxB, _ := top(b)
	logA, logB := logSum(a, maxA), logSum(b, maxB)
	if sum := logA + logB; math.IsNaN(sum) || math.IsInf(sum, 0) {
		return math.NaN()
	}
	worst := 0.0
	for i := range a {
		if float64(a[i]) > maxA-likely || float64(b[i]) > maxB-likely {
			worst = max(worst, math.Abs(float64(a[i])-logA-float64(b[i])+logB))
		}
	}
	return worst
}

// prompt is n ids: the text, from its start again where it is too short.
func prompt(text []int, n int) []int {
	ids := make([]int, 0, n+len(text))
	for len(ids) < n {
		ids = append(ids, text...)
	}
	return ids[:n]
}

// prefillLengths are the lengths asked for that fit into the context, each once, in order, and a
// sentence about those that do not.
func prefillLengths(asked []int, context int) (lengths []int, note string) {
	if asked == nil {
		asked = DefaultLengths()
	}
	for _, n := range slices.Compact(slices.Sorted(slices.Values(asked))) {
		if context > 0 && n > context {
			note += fmt.Sprintf("; length %d is past the context of %d and was left out", n, context)
			continue
		}
		lengths = append(lengths, n)
	}
	return lengths, note
}
