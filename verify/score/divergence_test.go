package score

import (
	"math"
	"slices"
	"testing"
)

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.IsNaN(got) || math.Abs(got-want) > tolerance {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func logs(probabilities ...float64) []float32 {
	row := make([]float32, len(probabilities))
	for i, p := range probabilities {
		row[i] = float32(math.Log(p))
	}
	return row
}

func TestComparePosition(t *testing.T) {
	p, q := logs(0.5, 0.25, 0.25), logs(0.25, 0.5, 0.25)
	got := Compare(p, q, 1)
	near(t, "kl", got.kl, 0.25*math.Ln2, 1e-7)
	near(t, "reference nll", got.referenceNLL, math.Log(4), 1e-7)
	near(t, "our nll", got.ourNLL, math.Log(2), 1e-7)
	if got.sameTop {
		t.Error("the likeliest tokens differ, yet are said to agree")
	}
}

// Logits differ from log-probabilities by a constant, which must not matter.
func TestComparePositionTakesLogits(t *testing.T) {
	p := logs(0.7, 0.2, 0.1)
	shifted := make([]float32, len(p))
	for i := range p {
		shifted[i] = p[i] + 11
	}
	got := Compare(p, shifted, 0)
	near(t, "kl", got.kl, 0, 1e-6)
	near(t, "nll", got.ourNLL, got.referenceNLL, 1e-6)
	if !got.sameTop {
		t.Error("the same distribution has two likeliest tokens")
	}
}

func TestComparePositionNonFinite(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, bad := range [][]float32{{0, nan, 0}, {inf, 0, 0}, {nan, nan, nan}} {
		for _, pair := range [][2][]float32{{bad, {0, 0, 0}}, {{0, 0, 0}, bad}} {
			if got := Compare(pair[0], pair[1], 2); got.finite() {
				t.Errorf("%v against %v is finite: %+v", pair[0], pair[1], got)
			}
		}
	}
}

func TestSummarize(t *testing.T) {
	var positions []Position
	for i := range 100 {
		positions = append(positions, Position{kl: float64(i), referenceNLL: 1, ourNLL: 2, sameTop: i%4 != 0})
	}
	positions = append(positions, Position{kl: math.NaN()})
	d := Summarize(positions)
	near(t, "mean", d.MeanKL, 49.5, 1e-9)
	near(t, "median", d.MedianKL, 49, 0)
	near(t, "p99", d.P99KL, 98, 0)
	near(t, "max", d.MaxKL, 99, 0)
	near(t, "top-1", d.Top1, 0.75, 1e-9)
	near(t, "reference perplexity", d.ReferencePerplexity, math.E, 1e-9)
	near(t, "perplexity", d.Perplexity, math.E*math.E, 1e-9)
	near(t, "change", d.PerplexityChange, math.E-1, 1e-9)
	near(t, "noise of the change", d.PerplexityStdErr, 0, 1e-9)
	if d.NonFinite != 1 || d.Positions != 101 {
		t.Errorf("%d of %d positions not finite, want 1 of 101", d.NonFinite, d.Positions)
	}
}

// A text of nothing but broken rows has no means, and must not pretend to.
func TestSummarizeNothing(t *testing.T) {
	d := Summarize([]Position{{kl: math.NaN()}, {kl: math.Inf(1)}})
	if d.NonFinite != 2 || d.MeanKL != 0 || d.Perplexity != 0 {
		t.Errorf("made numbers of nothing: %+v", d)
	}
}

func TestByDepthCoversEveryPositionOnce(t *testing.T) {
	for _, n := range []int{0, 1, 15, 16, 17, 33, 511, 2048, 5000} {
		at := 0
		buckets := byDepth(make([]Position, n))
		for _, b := range buckets {
			if b.From != at || b.To <= b.From {
				t.Errorf("%d positions: bucket %d to %d follows %d", n, b.From, b.To, at)
			}
			at = b.To
		}
		if at != n || len(buckets) > 8 {
			t.Errorf("%d positions: %d buckets end at %d", n, len(buckets), at)
		}
	}
}

// Depth is counted within each text: a bucket holds what lies as deep in any of them, and the deepest
// what the longest alone has.
func TestByDepthOfSeveralTexts(t *testing.T) {
	at := func(kls ...float64) (text []Position) {
		for _, kl := range kls {
			text = append(text, Position{kl: kl})
		}
		return text
	}
	long, short := at(slices.Repeat([]float64{1}, 64)...), at(slices.Repeat([]float64{4}, 20)...)
	long[63].kl = 9
	d := Summarize(long, short)
	if d.Texts != 2 || d.Positions != 84 || len(d.ByDepth) != 3 || len(d.ByPosition) != 64 {
		t.Fatalf("%+v", d)
	}
	near(t, "mean of all", d.MeanKL, (63*1+9+20*4)/84.0, 1e-9)
	near(t, "both", d.ByDepth[0].MeanKL, 2.5, 1e-9) // 16 of each
	near(t, "the end of one", d.ByDepth[1].MeanKL, (16*1+4*4)/20.0, 1e-9)
	near(t, "one alone", d.ByDepth[2].MeanKL, (31*1+9)/32.0, 1e-9)
	near(t, "its largest", d.ByDepth[2].MaxKL, 9, 0)
	near(t, "one position", d.ByPosition[19].MeanKL, 2.5, 1e-9)
	if last := d.ByDepth[2]; last.From != 32 || last.To != 64 || d.ByPosition[63].To != 64 {
		t.Errorf("buckets end at %d to %d, %d", last.From, last.To, d.ByPosition[63].To)
	}
	if one := Summarize(long); one.Texts != 0 {
		t.Errorf("one text is told as %d", one.Texts)
	}
}

func TestStandardErrorSeesBlocks(t *testing.T) {
	independent, correlated := make([]float64, 256), make([]float64, 256)
	for i := range independent {
		independent[i] = float64(i % 2)     // averages out within each block
		correlated[i] = float64(i / 16 % 2) // does not
	}
	near(t, "alternating", standardError(independent), 0, 1e-12)
	near(t, "in runs of 16", standardError(correlated), math.Sqrt(0.25*16/15)/4, 1e-9)
	near(t, "one value", standardError([]float64{3}), 0, 0)
}
