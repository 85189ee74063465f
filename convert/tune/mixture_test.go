package tune

import (
	"math"
	"math/rand/v2"
	"testing"
)

// someGroups are groups of random sizes and costs; smaller options cost more, but for a few.
func someGroups(rng *rand.Rand, n, options int) []Group {
	groups := make([]Group, n)
	for i := range groups {
		size, worth := 1+rng.Int64N(1000), math.Exp(3*rng.NormFloat64())
		for k := range options {
			kl := worth * math.Exp(-float64(k)+rng.NormFloat64())
			if k == options-1 {
				kl = 0
			}
			groups[i].Options = append(groups[i].Options, Option{Bytes: size * int64(k+2), KL: kl})
		}
	}
	return groups
}

// every calls f with all mixtures.
func every(groups []Group, f func(bytes int64, kl float64)) {
	if len(groups) == 0 {
		f(0, 0)
		return
	}
	every(groups[1:], func(bytes int64, kl float64) {
		for _, o := range groups[0].Options {
			f(bytes+o.Bytes, kl+o.KL)
		}
	})
}

// TestFrontier holds the choice to all mixtures there are, for every size and every cost.
func TestFrontier(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		groups := someGroups(rng, 1+rng.IntN(6), 1+rng.IntN(4))
		frontier := Frontier(groups)
		for i, m := range frontier {
			var bytes int64
			kl := 0.0
			for g, o := range m.Choice {
				bytes, kl = bytes+groups[g].Options[o].Bytes, kl+groups[g].Options[o].KL
			}
			if bytes != m.Bytes || math.Abs(kl-m.KL) > 1e-9*kl {
				t.Fatalf("mixture %d says %d bytes and %g, and is %d and %g", i, m.Bytes, m.KL, bytes, kl)
			}
		}
		every(groups, func(bytes int64, kl float64) {
			m, ok := Within(frontier, bytes)
			if !ok || m.Bytes > bytes || m.KL > kl*(1+1e-9) {
				t.Fatalf("%d bytes: %+v, there is one of %g", bytes, m, kl)
			}
			m, ok = AtMost(frontier, kl*(1+1e-9))
			if !ok || m.KL > kl*(1+1e-9) || m.Bytes > bytes {
				t.Fatalf("%g: %+v, there is one of %d bytes", kl, m, bytes)
			}
		})
		if _, ok := Within(frontier, frontier[0].Bytes-1); ok {
			t.Fatal("a size below the least is reached")
		}
		if _, ok := AtMost(frontier, -1); ok {
			t.Fatal("a cost below zero is reached")
		}
	}
}

// TestFrontierOfMany: with more mixtures than are held, what is chosen is hardly worse than the best share of
// each group would be, and as small as asked.
func TestFrontierOfMany(t *testing.T) {
	groups := someGroups(rand.New(rand.NewPCG(3, 4)), 300, 5)
	frontier := Frontier(groups)
	if len(frontier) > 2*maxFrontier {
		t.Fatalf("%d mixtures are kept", len(frontier))
	}
	span := frontier[len(frontier)-1].Bytes - frontier[0].Bytes
	for k := range 9 {
		limit := frontier[0].Bytes + span*int64(k+1)/10
		m, ok := Within(frontier, limit)
		if bound := lowerBound(groups, limit); !ok || m.Bytes > limit || m.KL > 1.02*bound {
			t.Errorf("%d bytes: %d and %g, where %g is not to be beaten", limit, m.Bytes, m.KL, bound)
		}
	}
}

// lowerBound is a cost that no mixture of so many bytes goes below: the largest over prices for a byte of what
// all groups pay at least, less what the bytes are worth.
func lowerBound(groups []Group, limit int64) (most float64) {
	for price := 1e-9; price < 1e3; price *= 1.1 {
		sum := -price * float64(limit)
		for _, g := range groups {
			least := math.Inf(1)
			for _, o := range g.Options {
				least = min(least, o.KL+price*float64(o.Bytes))
			}
			sum += least
		}
		most = max(most, sum)
	}
	return most
}
