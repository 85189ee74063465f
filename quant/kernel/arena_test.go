package kernel

import (
	"bytes"
	"math"
	"testing"
)

// arena hands out the outputs of one kernel call, with canaries before, between and after them.
// Two versions are equal when their arenas are: a write past an end shows as a difference.
type arena struct {
	raw    []byte
	floats []float32
}

const (
	canaryByte = 0xA5
	canaryLen  = 67 // odd, so that outputs lie at odd addresses; longer than any vector
)

// bytes is one slice a size, at odd addresses, not cleared. One call an arena.
func (a *arena) bytes(sizes ...int) [][]byte {
	total := canaryLen
	for _, n := range sizes {
		total += n + canaryLen
	}
	a.raw = bytes.Repeat([]byte{canaryByte}, total)
	var out [][]byte
	at := canaryLen
	for _, n := range sizes {
		out = append(out, a.raw[at:at+n:at+n])
		at += n + canaryLen
	}
	return out
}

// values is n floats off any vector's alignment, not cleared. One call an arena.
func (a *arena) values(n int) []float32 {
	a.floats = make([]float32, n+2*canaryLen)
	for i := range a.floats {
		a.floats[i] = -123.5
	}
	return a.floats[canaryLen : canaryLen+n : canaryLen+n]
}

// mustEqual fails at the first difference. NaN equals NaN, whatever its bits, unless exact.
func (a *arena) mustEqual(t *testing.T, what string, want *arena, exact bool) {
	t.Helper()
	if i := firstDiff(a.raw, want.raw); i >= 0 {
		t.Fatalf("%s: byte %d of %d (canaries counted): got %#02x, want %#02x", what, i, len(want.raw), a.raw[i], want.raw[i])
	}
	for i, w := range want.floats {
		g := a.floats[i]
		if math.Float32bits(g) != math.Float32bits(w) && (exact || g == g || w == w) {
			t.Fatalf("%s: value %d of %d (canaries counted): got %#08x, want %#08x", what, i, len(want.floats), math.Float32bits(g), math.Float32bits(w))
		}
	}
}

func firstDiff(a, b []byte) int {
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			return i
		}
	}
	return -1
}
