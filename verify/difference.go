package verify

import "math"

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
