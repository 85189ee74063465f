package verify

import (
	"math"

	"qimport/runtime"
	"qimport/verify/report"
)

// An answer is given up once it cannot pass any more: it goes round in a loop, or it is noise, as a model
// says it whose weights are lost. To read on would take most of the time of a verification and tell nothing.
// A sound model gives the tokens that it chooses some tens of per cent of probability, in the geometric mean;
// noise over a vocabulary of a quarter of a million gives them less than one in a thousand.
const (
	noiseChance     = 0.02
	noiseTokens     = 8 // fewer do not tell
	noiseTokensLost = 48
)

// hopeless says whether an answer is to be given up.
func hopeless(sofar runtime.Answer) bool {
	n := len(sofar.Tokens)
	if n < noiseTokensLost || n%8 != 0 { // to look at every token would find a loop hardly sooner
		return false
	}
	_, loops := findLoop(sofar.Tokens)
	return loops || isNoise(sofar.Chances)
}

// isNoise judges the natural logarithms of the probabilities that an answer's tokens were chosen with.
func isNoise(chances []float32) bool {
	return len(chances) >= noiseTokens && meanChance(chances) < noiseChance
}

// meanChance is the geometric mean of probabilities that are given as natural logarithms.
func meanChance(logs []float32) float64 {
	sum := 0.0
	for _, l := range logs {
		sum += float64(l)
	}
	return math.Exp(sum / float64(len(logs)))
}

// noise is a failed check of such an answer.
func noise(what string, chances []float32) report.Check {
	return fail("%s was answered with noise: its %d tokens had a probability of %.2g each, in the geometric mean, where a sound model has some tens of per cent",
		what, len(chances), meanChance(chances))
}

// lostTo says what an answer was given up for.
func lostTo(ids []int) string {
	if _, loops := findLoop(ids); loops {
		return "in a loop"
	}
	return "as noise"
}
