package score

import (
	"math"
	"slices"

	"qimport/verify/report"
)

// Position is what is kept of one position: 32 bytes, whatever the vocabulary.
type Position struct {
	kl                   float64 // NaN if either row was not finite
	referenceNLL, ourNLL float64 // negative log-likelihood of the token that came
	sameTop              bool
}

// Compare compares two rows of logits or log-probabilities over one vocabulary, given the
// token that really came next.
func Compare(reference, ours []float32, next int) Position {
	maxP, topP := top(reference)
	maxQ, topQ := top(ours)
	logP, logQ := logSum(reference, maxP), logSum(ours, maxQ)
	kl := 0.0
	for i, p := range reference {
		lp := float64(p) - logP
		if w := math.Exp(lp); w > 0 {
			kl += w * (lp - (float64(ours[i]) - logQ))
		}
	}
	return Position{
		// Rounding can leave a tiny negative number where the two are equal.
		kl:           max(kl, 0),
		referenceNLL: logP - float64(reference[next]),
		ourNLL:       logQ - float64(ours[next]),
		sameTop:      topP == topQ,
	}
}

func (p Position) finite() bool {
	sum := p.kl + p.referenceNLL + p.ourNLL
	return !math.IsNaN(sum) && !math.IsInf(sum, 0)
}

// top is the largest value of a row and the first place it stands.
func top(row []float32) (float64, int) {
	at := 0
	for i, v := range row {
		if v > row[at] {
			at = i
		}
	}
	return float64(row[at]), at
}

// logSum is log(sum(exp(row))), given the row's maximum.
func logSum(row []float32, largest float64) float64 {
	sum := 0.0
	for _, v := range row {
		sum += math.Exp(float64(v) - largest)
	}
	return largest + math.Log(sum)
}

// Summarize makes the numbers of a report from the positions of each text, in order.
func Summarize(texts ...[]Position) report.Divergence {
	positions := slices.Concat(texts...)
	d := report.Divergence{Positions: len(positions)}
	if len(texts) > 1 {
		d.Texts = len(texts)
	}
	kls := make([]float64, 0, len(positions))
	var ref, ours, change []float64
	same := 0
	for _, p := range positions {
		if !p.finite() {
			d.NonFinite++
			continue
		}
		kls = append(kls, p.kl)
		ref, ours = append(ref, p.referenceNLL), append(ours, p.ourNLL)
		change = append(change, p.ourNLL-p.referenceNLL)
		if p.sameTop {
			same++
		}
	}
	d.ByDepth, d.ByPosition = byDepth(texts...), byPosition(texts...)
	if len(kls) == 0 {
		return d
	}
	d.MeanKL, d.StdErr = mean(kls), standardError(kls)
	d.Top1 = float64(same) / float64(len(kls))
	d.ReferencePerplexity, d.Perplexity = math.Exp(mean(ref)), math.Exp(mean(ours))
	d.PerplexityChange = math.Expm1(mean(change))
	d.PerplexityStdErr = math.Exp(mean(change)) * standardError(change)
	slices.Sort(kls)
	d.MedianKL, d.P99KL, d.MaxKL = quantile(kls, 0.5), quantile(kls, 0.99), kls[len(kls)-1]
	return d
}

// byDepth cuts texts into at most eight buckets that double in width, the first at least 16
// positions: what goes wrong with depth goes wrong with its logarithm.
func byDepth(texts ...[]Position) []report.Bucket {
	var buckets []report.Bucket
	end := longest(texts)
	from, width := 0, max(16, end/128)
	for from < end {
		to := min(from+width, end)
		if end-to < width { // too short a rest joins the last bucket
			to = end
		}
		buckets = append(buckets, bucket(texts, from, to))
		if from > 0 {
			width *= 2
		}
		from = to
	}
	return buckets
}

// byPosition cuts texts into at most 64 buckets of equal width.
func byPosition(texts ...[]Position) []report.Bucket {
	const most = 64
	end := longest(texts)
	width := max(1, (end+most-1)/most)
	var buckets []report.Bucket
	for from := 0; from < end; from += width {
		buckets = append(buckets, bucket(texts, from, min(from+width, end)))
	}
	return buckets
}

// longest is how many positions the longest text has.
func longest(texts [][]Position) int {
	n := 0
	for _, positions := range texts {
		n = max(n, len(positions))
	}
	return n
}

// bucket has the positions from to to-1 of all texts that go so far.
func bucket(texts [][]Position, from, to int) report.Bucket {
	b := report.Bucket{From: from, To: to}
	var positions []Position
	for _, text := range texts {
		positions = append(positions, text[min(from, len(text)):min(to, len(text))]...)
	}
	var kls []float64
	same := 0
	for _, p := range positions {
		if !p.finite() {
			continue
		}
		kls = append(kls, p.kl)
		b.MaxKL = max(b.MaxKL, p.kl)
		if p.sameTop {
			same++
		}
	}
	if len(kls) > 0 {
		b.MeanKL, b.StdErr = mean(kls), standardError(kls)
		b.Top1 = float64(same) / float64(len(kls))
	}
	return b
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// standardError of the mean, by the means of 16 consecutive blocks where there are at least 64
// values, and of single values where there are fewer. One value has none: 0.
func standardError(values []float64) float64 {
	const blocks = 16
	if len(values) >= 4*blocks {
		means := make([]float64, blocks)
		for i := range means {
			means[i] = mean(values[i*len(values)/blocks : (i+1)*len(values)/blocks])
		}
		values = means
	}
	if len(values) < 2 {
		return 0
	}
	m, squares := mean(values), 0.0
	for _, v := range values {
		squares += (v - m) * (v - m)
	}
	n := float64(len(values))
	return math.Sqrt(squares / (n - 1) / n)
}

// quantile of sorted values, the nearest above.
func quantile(sorted []float64, q float64) float64 {
	i := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[max(i, 0)]
}
