package score

import (
	"math"
	"testing"
)

func TestGuesses(t *testing.T) {
	var g Guesses
	for _, pair := range [][2]int{{1, 1}, {2, 2}, {2, 1}, {3, 1}} {
		g.Add(pair[0], pair[1])
	}
	if g.Places() != 4 || g.Share() != 0.5 {
		t.Errorf("%d places, share %g", g.Places(), g.Share())
	}
	// 1 was said once and came three times, 2 was said twice and came once, 3 never came.
	if want := 5.0 / 16; g.Chance() != want || math.Abs(g.BeyondChance()-want-3*math.Sqrt(want*(1-want)/4)) > 1e-12 {
		t.Errorf("chance %g, beyond it from %g", g.Chance(), g.BeyondChance())
	}
	if got := Top([]float32{1, 3, 3, 2}); got != 1 {
		t.Errorf("top %d", got)
	}
}
