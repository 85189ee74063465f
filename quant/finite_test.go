package quant

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"
)

func TestCheckFinite(t *testing.T) {
	const n = 21 // more than two words of eight bytes, and a rest, in every dtype
	patterns := []struct {
		name   string
		tensor func(bits uint64, at int) Tensor
		bad    []uint64
		good   []uint64
	}{
		{"bf16", plainBits(BF16, n), []uint64{0x7F80, 0xFF80, 0x7FC0, 0xFFFF}, []uint64{0, 0x8000, 0x7F7F, 0xFF7F, 0x0080}},
		{"f16", plainBits(F16, n), []uint64{0x7C00, 0xFC00, 0x7E00}, []uint64{0x7BFF, 0xFBFF, 0x8001}},
		{"f32", plainBits(F32, n), []uint64{0x7F800000, 0xFF800001, uint64(math.Float32bits(float32(math.NaN())))}, []uint64{0x7F7FFFFF, 0x80000000}},
		{"nvfp4 scales", scaleBits(FormatNVFP4, n), []uint64{0x7F, 0xFF}, []uint64{0x7E, 0x80, 0}},
		{"mxfp4 scales", scaleBits(FormatMXFP4, n), []uint64{0xFF}, []uint64{0x7F, 0xFE, 0}},
		{"mxfp8 scales", scaleBits(FormatMXFP8, n), []uint64{0xFF}, []uint64{0x7F, 0xFE}},
		{"mxfp8 elements", elementBits(FormatMXFP8, n), []uint64{0x7F, 0xFF}, []uint64{0x7E, 0xFE}},
		{"fp8 elements", elementBits(Format{Mode: FP8, Bits: 8}, n), []uint64{0x7F, 0xFF}, []uint64{0x7E, 0xFE}},
		{"nvfp4 elements", elementBits(FormatNVFP4, n), nil, []uint64{0x7F, 0xFF}},
		{"integers", plainBits(I32, n), nil, []uint64{0x7F800000, 0xFFFFFFFF}},
	}
	for _, p := range patterns {
		t.Run(p.name, func(t *testing.T) {
			for at := range n {
				for _, bits := range p.good {
					if err := CheckFinite(p.tensor(bits, at)); err != nil {
						t.Errorf("%#x at %d: %v", bits, at, err)
					}
				}
				for _, bits := range p.bad {
					if err := CheckFinite(p.tensor(bits, at)); !errors.Is(err, ErrNotFinite) || !strings.Contains(err.Error(), "1 of 21 numbers") {
						t.Errorf("%#x at %d: %v", bits, at, err)
					}
				}
			}
		})
	}
}

// put makes n numbers of that size, 1 but for one of them, which is not read beyond its lane.
func put(size, n, at int, bits uint64) []byte {
	b := make([]byte, size*n)
	for i := range n {
		b[i*size] = 1
	}
	var word [8]byte
	binary.LittleEndian.PutUint64(word[:], bits)
	copy(b[at*size:], word[:size])
	return b
}

func plainBits(d Dtype, n int) func(uint64, int) Tensor {
	return func(bits uint64, at int) Tensor {
		return Tensor{Shape: []int{n}, Format: PlainFormat(d), Data: put(d.Size(), n, at, bits)}
	}
}

func scaleBits(f Format, n int) func(uint64, int) Tensor {
	return func(bits uint64, at int) Tensor { return Tensor{Format: f, Scales: put(1, n, at, bits)} }
}

func elementBits(f Format, n int) func(uint64, int) Tensor {
	return func(bits uint64, at int) Tensor { return Tensor{Format: f, Data: put(1, n, at, bits)} }
}

func TestCheckFiniteTellsTheArray(t *testing.T) {
	nan := []byte{0xC0, 0x7F, 0xC0, 0x7F}
	fine := []byte{0, 0, 0, 0}
	affine := Tensor{Format: FormatInt4, ScaleDtype: BF16}
	for _, c := range []struct {
		want string
		t    Tensor
	}{
		{"all 2 numbers of its weight", Tensor{Format: FormatBF16, Data: nan}},
		{"all 2 numbers of its scales", Tensor{Format: affine.Format, ScaleDtype: affine.ScaleDtype, Data: nan, Scales: nan, Biases: fine}},
		{"all 2 numbers of its biases", Tensor{Format: affine.Format, ScaleDtype: affine.ScaleDtype, Data: nan, Scales: fine, Biases: nan}},
	} {
		if err := CheckFinite(c.t); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

func BenchmarkCheckFinite(b *testing.B) {
	x := Tensor{Format: FormatBF16, Data: make([]byte, 16<<20)}
	b.SetBytes(int64(len(x.Data)))
	for b.Loop() {
		if err := CheckFinite(x); err != nil {
			b.Fatal(err)
		}
	}
}
