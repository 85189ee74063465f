package runtime

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// ErrNotFinite marks logits of which no token can be chosen.
var ErrNotFinite = errors.New("logits are not finite")

// Sampling says how the next token is chosen. The zero value takes the likeliest one.
type Sampling struct {
	Temperature       float64 // 0 takes the likeliest token, whatever the other settings but the penalty
	TopK              int     // keep the k likeliest; 0 for all
	TopP              float64 // keep the likeliest that together have this probability; 0 for all
	MinP              float64 // keep those at least this share as likely as the likeliest; 0 for all
	RepetitionPenalty float64 // logits of tokens seen are divided by it if positive, else multiplied; 0 for none
	Seed              uint64
}

// check refuses settings that mean nothing.
func (o Sampling) check() error {
	switch {
	case o.Temperature < 0:
		return fmt.Errorf("temperature %g: it must not be negative", o.Temperature)
	case o.TopK < 0:
		return fmt.Errorf("top-k %d: it must not be negative", o.TopK)
	case o.TopP < 0 || o.TopP > 1:
		return fmt.Errorf("top-p %g: it must be between 0 and 1", o.TopP)
	case o.MinP < 0 || o.MinP > 1:
		return fmt.Errorf("min-p %g: it must be between 0 and 1", o.MinP)
	case o.RepetitionPenalty < 0:
		return fmt.Errorf("repetition penalty %g: it must not be negative", o.RepetitionPenalty)
	}
	return nil
}

// sampler chooses the tokens of one answer.
type sampler struct {
	Sampling
	random *rand.Rand
}

func newSampler(o Sampling) *sampler {
	return &sampler{Sampling: o, random: rand.New(rand.NewPCG(o.Seed, 0))}
}

// candidate is a token that may be chosen.
type candidate struct {
	id    int
	logit float64 // over the temperature, and less the likeliest one's
	p     float64 // e^logit
}

// next chooses a token by its logits, which it may change; seen are the tokens so far.
func (s *sampler) next(logits []float32, seen []int) (int, error) {
	for id, l := range logits {
		if math.IsNaN(float64(l)) || math.IsInf(float64(l), 0) {
			return 0, fmt.Errorf("%w: token %d has %g", ErrNotFinite, id, l)
		}
	}
	s.penalize(logits, seen)
	if s.Temperature == 0 {
		return argmax(logits), nil
	}
	return s.draw(s.candidates(logits)), nil
}

// greedy says whether the likeliest token is always the one chosen.
func (s *sampler) greedy() bool {
	return s.Temperature == 0 && (s.RepetitionPenalty == 0 || s.RepetitionPenalty == 1)
}

// penalize makes tokens that were seen less likely, each once.
func (s *sampler) penalize(logits []float32, seen []int) {
	if s.RepetitionPenalty == 0 || s.RepetitionPenalty == 1 {
		return
	}
	done := map[int]bool{}
	for _, id := range seen {
		if done[id] || id >= len(logits) {
			continue
		}
		done[id] = true
		if logits[id] > 0 {
			logits[id] /= float32(s.RepetitionPenalty)
		} else {
			logits[id] *= float32(s.RepetitionPenalty)
		}
	}
}

// argmax is the first of the largest.
func argmax(logits []float32) int {
	best := 0
	for id, l := range logits {
		if l > logits[best] {
			best = id
		}
	}
	return best
}

// negligible is the logarithm of a probability, relative to that of the likeliest token. Less likely
// tokens are not considered, so that a large vocabulary need not be sorted whole: 250,000 of them
// together would come up once in 300,000 draws at most.
const negligible = -25

// candidates are the tokens left by top-k, top-p and min-p, in that order, the likeliest first, with
// probabilities at this temperature that are relative to the likeliest.
func (s *sampler) candidates(logits []float32) []candidate {
	top := logits[argmax(logits)]
	var all []candidate
	for id, l := range logits {
		if c := (candidate{id: id, logit: float64(l-top) / s.Temperature}); c.logit >= negligible {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.logit, a.logit), cmp.Compare(a.id, b.id))
	})
	if s.TopK > 0 && s.TopK < len(all) {
		all = all[:s.TopK]
	}
	total := 0.0
	for i := range all {
		all[i].p = math.Exp(all[i].logit)
		total += all[i].p
	}
	if s.TopP > 0 {
		sum, n := 0.0, 0
		for n < len(all) && sum < s.TopP*total {
			sum += all[n].p
			n++
		}
		all = all[:n]
	}
	for len(all) > 1 && all[len(all)-1].p < s.MinP {
		all = all[:len(all)-1]
	}
	return all
}

// draw picks one by its probability.
func (s *sampler) draw(all []candidate) int {
	total := 0.0
	for _, c := range all {
		total += c.p
	}
	at := s.random.Float64() * total
	for _, c := range all {
		if at -= c.p; at < 0 {
			return c.id
		}
	}
	return all[len(all)-1].id
}
