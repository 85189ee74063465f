package runtime_test

import (
	"errors"
	"slices"
	"testing"

	"qimport/runtime"
)

// TestFeedAt: logits at the places asked for, and no others, are those of a session that makes all; places
// count from the session's beginning.
func TestFeedAt(t *testing.T) {
	m := small(t, runtime.Options{})
	ids := someText(t)[:300]
	rows, _ := alone(t, m, [][]int{ids})
	x := m.NewSession()
	defer x.Close()
	places := []int{1, 2, 20, 21, 256, 257, 300, 301}
	var got []int
	each := func(place int, logits []float32) error {
		got = append(got, place)
		if off := furthest(logProbs(logits), rows[0][place-1]); !(off <= 1e-4) {
			t.Errorf("after %d tokens: off by %.2g", place, off)
		}
		return nil
	}
	for _, part := range [][]int{ids[:20], ids[20:]} {
		if err := x.FeedAt(t.Context(), part, places, each); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(got, places[:7]) || x.Len() != len(ids) {
		t.Errorf("logits at %v of %d tokens, want %v", got, x.Len(), places[:7])
	}
	enough := errors.New("enough")
	if err := x.FeedAt(t.Context(), ids[:1], []int{301}, func(int, []float32) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
}
