package quant

import (
	"encoding/json"
	"os"
	"strconv"
	"testing"
)

// TestPacked holds codes to what the producers' own packing made of them, and of zero points: of GPTQModel in
// planes (oracle/planes.py), and of compressed-tensors before 0.18 in whole words (oracle/wholewords.py).
func TestPacked(t *testing.T) {
	for file, format := range map[string]func(bits int) Format{
		"planes.json":     func(bits int) Format { return Format{Mode: GPTQP, Bits: bits, GroupSize: 32} },
		"wholewords.json": func(bits int) Format { return IntFormat(bits, 32, WholeWords, true) },
	} {
		b, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		var kept map[string]struct{ Codes, Zeros []byte }
		if err := json.Unmarshal(b, &kept); err != nil {
			t.Fatal(err)
		}
		if len(kept) != 4 {
			t.Fatalf("%s: packed are codes of %d numbers of bits", file, len(kept))
		}
		for word, packed := range kept {
			bits, err := strconv.Atoi(word)
			if err != nil {
				t.Fatal(err)
			}
			holdPacked(t, format(bits), packed.Codes, packed.Zeros)
		}
	}
}

// holdPacked demands that of each weight the code and the zero point are what the oracles' formula says.
func holdPacked(t *testing.T, f Format, codes, zeros []byte) {
	t.Helper()
	const rows, inputs, groups = 32, 64, 2
	x := Tensor{Shape: []int{rows, inputs}, Format: f, ScaleDtype: F32, Data: codes, Zeros: zeros}
	ones := make([]float32, rows*groups)
	for i := range ones {
		ones[i] = 1
	}
	x.Scales = Float32s(ones).Data
	if err := x.Validate(); err != nil {
		t.Fatal(err)
	}
	values := make([]float32, rows*inputs)
	if err := x.Decode(values, 0); err != nil {
		t.Fatal(err)
	}
	for i, v := range values {
		r, k := i/inputs, i%inputs
		group := k / 32 // its zero point is the formula's of that column
		if want := packedNumber(k, r, f.Bits) - packedNumber(group, r, f.Bits); v != float32(want) {
			t.Fatalf("%s: row %d, input %d is %v, not %d", f, r, k, v, want)
		}
	}
}

// packedNumber is the formula of the oracles.
func packedNumber(k, r, bits int) int { return (k*k*5 + r*11 + k*r*3 + k) % (1 << bits) }
