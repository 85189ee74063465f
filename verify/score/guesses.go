package score

import "math"

// Guesses counts how often tokens that were said are those that came.
type Guesses struct {
	n, right   int
	said, came map[int]int // how often each token was
}

// Add counts one place.
func (g *Guesses) Add(said, came int) {
	if g.said == nil {
		g.said, g.came = map[int]int{}, map[int]int{}
	}
	g.n++
	g.said[said]++
	g.came[came]++
	if said == came {
		g.right++
	}
}

// Places is how many there were.
func (g *Guesses) Places() int { return g.n }

// Share is that of the places at which the token came that was said.
func (g *Guesses) Share() float64 { return float64(g.right) / float64(g.n) }

// Chance is what Share would be, on average, were the same tokens said at other places, in any order.
func (g *Guesses) Chance() float64 {
	sum := 0.0
	for id, n := range g.said {
		sum += float64(n) * float64(g.came[id])
	}
	return sum / float64(g.n) / float64(g.n)
}

// BeyondChance is the share from which on it is no chance: by three standard errors.
func (g *Guesses) BeyondChance() float64 {
	p := g.Chance()
	return p + 3*math.Sqrt(p*(1-p)/float64(g.n))
}

// Top is the token that a row of logits holds likeliest.
func Top(row []float32) int {
	_, at := top(row)
	return at
}
