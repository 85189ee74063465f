package runtime

import (
	"errors"
	"math"
	"slices"
	"testing"
)

// drawn is the share of each token in many draws.
func drawn(t *testing.T, o Sampling, logits []float32, seen []int) []float64 {
	t.Helper()
	const n = 20000
	s, share := newSampler(o), make([]float64, len(logits))
	for range n {
		id, err := s.next(slices.Clone(logits), seen)
		if err != nil {
			t.Fatal(err)
		}
		share[id] += 1.0 / n
	}
	return share
}

func TestSampling(t *testing.T) {
	// probabilities 0.5, 0.25, 0.15, 0.1
	logits := make([]float32, 4)
	for i, p := range []float64{0.25, 0.5, 0.1, 0.15} {
		logits[i] = float32(math.Log(p)) + 3
	}
	for _, tt := range []struct {
		name string
		o    Sampling
		seen []int
		want []float64
	}{
		{"likeliest", Sampling{TopP: 0.1}, nil, []float64{0, 1, 0, 0}},
		{"as they are", Sampling{Temperature: 1}, nil, []float64{0.25, 0.5, 0.1, 0.15}},
		{"top-k", Sampling{Temperature: 1, TopK: 2}, nil, []float64{1. / 3, 2. / 3, 0, 0}},
		{"top-p", Sampling{Temperature: 1, TopP: 0.76}, nil, []float64{0.25 / 0.9, 0.5 / 0.9, 0, 0.15 / 0.9}},
		{"top-p of nearly nothing", Sampling{Temperature: 1, TopP: 1e-9}, nil, []float64{0, 1, 0, 0}},
		{"min-p", Sampling{Temperature: 1, MinP: 0.4}, nil, []float64{1. / 3, 2. / 3, 0, 0}},
		{"cold", Sampling{Temperature: 0.5}, nil, []float64{0.0625 / 0.345, 0.25 / 0.345, 0.01 / 0.345, 0.0225 / 0.345}},
		{"penalty", Sampling{RepetitionPenalty: 2}, []int{1, 1, 99}, []float64{1, 0, 0, 0}},
		{"top-k and seed", Sampling{Temperature: 1, TopK: 1, Seed: 3}, nil, []float64{0, 1, 0, 0}},
	} {
		for i, got := range drawn(t, tt.o, logits, tt.seen) {
			if math.Abs(got-tt.want[i]) > 0.02 {
				t.Errorf("%s: token %d came with %.3f, want %.3f", tt.name, i, got, tt.want[i])
			}
		}
	}
}

func TestPenaltySigns(t *testing.T) {
	logits := []float32{2, -2, 2, -2}
	newSampler(Sampling{RepetitionPenalty: 2}).penalize(logits, []int{0, 1, 0})
	if want := []float32{1, -4, 2, -2}; !slices.Equal(logits, want) {
		t.Errorf("got %v, want %v", logits, want)
	}
}

func TestSeed(t *testing.T) {
	draw := func(seed uint64) (ids []int) {
		s := newSampler(Sampling{Temperature: 1, Seed: seed})
		for range 50 {
			id, err := s.next(make([]float32, 100), nil)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		return ids
	}
	if !slices.Equal(draw(1), draw(1)) || slices.Equal(draw(1), draw(2)) {
		t.Error("the same seed must draw the same, another seed something else")
	}
}

func TestNotFinite(t *testing.T) {
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if _, err := newSampler(Sampling{}).next([]float32{0, float32(bad)}, nil); !errors.Is(err, ErrNotFinite) {
			t.Errorf("%v: got %v", bad, err)
		}
	}
}

func TestSamplingRefused(t *testing.T) {
	for _, o := range []Sampling{{Temperature: -1}, {TopK: -1}, {TopP: 1.5}, {MinP: -0.1}, {RepetitionPenalty: -1}} {
		if o.check() == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}
