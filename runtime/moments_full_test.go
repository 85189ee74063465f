package runtime

import (
	"slices"
	"testing"
)

// TestFullOf: what takes the least has room first, and of those that take the same the first ones.
func TestFullOf(t *testing.T) {
	const gib = 1 << 30
	for _, c := range []struct {
		sizes []int64
		want  []bool
	}{
		{nil, nil},
		{[]int64{gib, 2 * gib}, []bool{true, true}},
		{[]int64{3 * gib, gib, gib}, []bool{false, true, true}},
		{[]int64{2 * gib, 1, 2 * gib, 2 * gib}, []bool{true, true, false, false}},
		{[]int64{5 * gib}, []bool{false}},
	} {
		if got := fullOf(c.sizes); !slices.Equal(got, c.want) {
			t.Errorf("of %v: %v, want %v", c.sizes, got, c.want)
		}
	}
}
