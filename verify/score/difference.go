package score

import (
	"math"
	"slices"
)

// Likeliest is how many tokens are compared. Where a model is sure of the next token, that one's
// log-probability is near 0 whatever happens; the ones below it show what happened.
const Likeliest = 20

// LargestDifference is the largest difference of log-probability between two rows of logits, among
// the likeliest tokens of either; NaN if a row is not finite, or they are not of one vocabulary.
func LargestDifference(a, b []float32) float64 {
	if len(a) != len(b) || len(a) == 0 {
		return math.NaN()
	}
	maxA, _ := top(a)
	maxB, _ := top(b)
	logA, logB := logSum(a, maxA), logSum(b, maxB)
	if sum := logA + logB; math.IsNaN(sum) || math.IsInf(sum, 0) {
		return math.NaN()
	}
	lowA, lowB := rank(a, Likeliest), rank(b, Likeliest)
	worst := 0.0
	for i := range a {
		if a[i] >= lowA || b[i] >= lowB {
			worst = max(worst, math.Abs(float64(a[i])-logA-float64(b[i])+logB))
		}
	}
	return worst
}

// rank is the n-th largest value of a row, or its least where it is shorter. A row may be of a whole
// vocabulary, and is not sorted: the largest so far are, and few values come among them.
func rank(row []float32, n int) float32 {
	largest := slices.Sorted(slices.Values(row[:min(n, len(row))]))
	for _, v := range row[len(largest):] {
		if v <= largest[0] {
			continue
		}
		at, _ := slices.BinarySearch(largest, v)
		copy(largest, largest[1:at])
		largest[at-1] = v
	}
	return largest[0]
}
