package verify

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"qimport/runtime"
	"qimport/verify/report"
)

// chances are n tokens of one probability.
func chances(n int, p float64) []float32 { return slices.Repeat([]float32{float32(math.Log(p))}, n) }

func TestHopeless(t *testing.T) {
	for _, tt := range []struct {
		name string
		said runtime.Answer
		want bool
	}{
		{"nothing yet", runtime.Answer{}, false},
		{"sure of itself", runtime.Answer{Tokens: distinct(200, 0), Chances: chances(200, 0.9)}, false},
		{"unsure, as of a poem", runtime.Answer{Tokens: distinct(200, 0), Chances: chances(200, 0.1)}, false},
		{"noise, but short", runtime.Answer{Tokens: distinct(20, 0), Chances: chances(20, 1e-4)}, false},
		{"noise", runtime.Answer{Tokens: distinct(48, 0), Chances: chances(48, 1e-4)}, true},
		{"a loop", runtime.Answer{Tokens: repeated(16, 1, 2, 3, 4), Chances: chances(64, 0.9)}, true},
		{"a row of a table", runtime.Answer{Tokens: append(repeated(3, distinct(8, 0)...), distinct(40, 9)...), Chances: chances(64, 0.9)}, false},
	} {
		if got := hopeless(tt.said); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// A model that says nothing but noise is not listened to for long, and the report says why.
func TestNoiseIsGivenUp(t *testing.T) {
	needMLX(t)
	c := copyCheckpoint(t, dense)
	c.editTensors(func(arrays map[string]raw) {
		tensor(arrays, "embed_tokens.weight").editBF16(func(v []float32) {
			rng := rand.New(rand.NewPCG(1, 2))
			for i := range v {
				v[i] = float32(rng.NormFloat64()) / 64
			}
		})
	})
	r := judge(t, Directory("noise", c.dir), quick(report.Smoke))
	if stops, _ := r.Check("smoke.stops"); stops.Passed != report.Failed || !strings.Contains(stops.Detail, "was given up after 48 tokens, as noise") {
		t.Errorf("%+v", stops)
	}
	if a := r.Answers[0]; a.Stop != "hopeless" || a.Tokens != noiseTokensLost {
		t.Errorf("%+v", a)
	}
}
