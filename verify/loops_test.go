package verify

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func repeated(n int, ids ...int) []int { return slices.Repeat(ids, n) }

func distinct(n, from int) []int {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = from + i
	}
	return ids
}

func TestFindLoop(t *testing.T) {
	tests := []struct {
		name string
		ids  []int
		want loop // zero: none
	}{
		{"nothing", nil, loop{}},
		{"prose", distinct(500, 0), loop{}},
		{"one token, as in a rule of dashes", repeated(40, 7), loop{}},
		{"one token without end", repeated(60, 7), loop{0, 1, 60}},
		{"a sentence said three times", repeated(3, distinct(20, 0)...), loop{}},
		{"a sentence said five times", repeated(5, distinct(20, 0)...), loop{0, 20, 5}},
		{"a good start, then a loop", append(distinct(100, 100), repeated(30, 1, 2)...), loop{100, 2, 30}},
		{"a loop it got out of", append(repeated(30, 1, 2), distinct(100, 100)...), loop{0, 2, 30}},
		{"a table whose cells differ", tableRows(20), loop{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := findLoop(tt.ids)
			if got != tt.want || ok != (tt.want != loop{}) {
				t.Errorf("got %+v (%v), want %+v", got, ok, tt.want)
			}
		})
	}
}

// tableRows are rows of eight tokens of which one changes.
func tableRows(n int) []int {
	var ids []int
	for i := range n {
		ids = append(ids, 1, 2, 3, 1000+i, 4, 5, 6, 7)
	}
	return ids
}

func TestVariety(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	nearLoop := tableRows(40)
	prose := make([]int, 256)
	for i := range prose {
		prose[i] = random.IntN(50)
	}
	if v := variety(prose, 256); v < 0.9 {
		t.Errorf("random text has variety %v", v)
	}
	if v := variety(nearLoop, 256); v < 0.4 || v > 0.6 {
		t.Errorf("rows that differ in one token of eight have variety %v, want about a half", v)
	}
	if v := variety(repeated(100, 1, 2, 3), 256); v > 0.05 {
		t.Errorf("a loop has variety %v", v)
	}
	if v := variety(repeated(5, 1), 256); v != 1 {
		t.Errorf("five tokens are too few to tell, got %v", v)
	}
}

func TestLeaks(t *testing.T) {
	control := map[int]string{10: "<|im_start|>", 11: "<think>"}
	if got := leaks([]int{1, 2, 3}, control); got != nil {
		t.Errorf("clean answer leaks %q", got)
	}
	got := leaks([]int{1, 11, 10, 11}, control)
	if !slices.Equal(got, []string{"<think>", "<|im_start|>"}) {
		t.Errorf("got %q", got)
	}
}
