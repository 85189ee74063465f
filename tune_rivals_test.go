package qimport

import (
	"testing"

	"qimport/convert/tune"
)

// TestBeats: a rival is taken in the place of what was found by costs only within the target, and only if it
// is nearer to what that asks for.
func TestBeats(t *testing.T) {
	of := func(bytes int64, kl float64) candidate { return candidate{Mixture: tune.Mixture{Bytes: bytes}, kl: kl} }
	found := of(500, 0.1)
	for _, c := range []struct {
		name    string
		options TuneOptions
		rival   candidate
		beats   bool
	}{
		{"better within the bits", TuneOptions{TargetBPW: 5}, of(600, 0.05), true},
		{"better, and too large", TuneOptions{TargetBPW: 5}, of(700, 0.05), false},
		{"smaller, and worse", TuneOptions{TargetBPW: 5}, of(400, 0.2), false},
		{"as good", TuneOptions{TargetBPW: 5}, found, false},
		{"better for a size, which the plan holds", TuneOptions{TargetSize: "1kB"}, of(5000, 0.05), true},
		{"smaller within the cost", TuneOptions{MaxKL: 0.2}, of(400, 0.2), true},
		{"smaller, and over the cost", TuneOptions{MaxKL: 0.2}, of(400, 0.21), false},
		{"better, and larger than need be", TuneOptions{MaxKL: 0.2}, of(600, 0.05), false},
	} {
		x := &tuning{TuneOptions: c.options, weights: 1000}
		if got := x.beats(c.rival, found); got != c.beats {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}
