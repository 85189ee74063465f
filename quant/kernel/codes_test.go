package kernel

import (
	"fmt"
	"math"
	"testing"
)

var (
	inf32 = float32(math.Inf(1))
	nan32 = float32(math.NaN())
	neg0  = float32(math.Copysign(0, -1))
)

// same compares bits, but takes any NaN for any other.
func same(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b
}

func TestE2M1Values(t *testing.T) {
	for code, want := range []float32{0, .5, 1, 1.5, 2, 3, 4, 6, neg0, -.5, -1, -1.5, -2, -3, -4, -6} {
		if got := DecodeE2M1(byte(code)); !same(got, want) {
			t.Errorf("code %d is %v, want %v", code, got, want)
		}
		if got := EncodeE2M1(want); got != byte(code) {
			t.Errorf("%v becomes code %d, want %d", want, got, code)
		}
	}
}

// TestE4M3Values states the format again: sign, 4 exponent bits with bias 7, 3 mantissa bits.
func TestE4M3Values(t *testing.T) {
	for code := range 256 {
		exp, mant := code>>3&15, code&7
		want := math.Ldexp(1+float64(mant)/8, exp-7)
		if exp == 0 {
			want = float64(mant) / 512
		}
		if exp == 15 && mant == 7 {
			want = math.NaN()
		}
		if code >= 128 {
			want = -want
		}
		got := DecodeE4M3(byte(code))
		if !same(got, float32(want)) {
			t.Errorf("code %#02x is %v, want %v", code, got, want)
		}
		if back := EncodeE4M3(got); got == got && back != byte(code) {
			t.Errorf("%v becomes code %#02x, want %#02x", got, back, code)
		}
	}
}

func TestE8M0Values(t *testing.T) {
	for code := range 255 {
		want := float32(math.Ldexp(1, code-127))
		if got := DecodeE8M0(byte(code)); got != want {
			t.Errorf("code %d is %v, want %v", code, got, want)
		}
		if got := EncodeE8M0(want); code > 0 && got != byte(code) {
			t.Errorf("%v becomes code %d, want %d", want, got, code)
		}
	}
	if got := DecodeE8M0(255); got == got {
		t.Errorf("code 255 is %v, want NaN", got)
	}
}

// TestEncodeElements: ties go to the even code, the far ends saturate, the sign of zero stays.
func TestEncodeElements(t *testing.T) {
	below, above := func(x float32) float32 { return math.Nextafter32(x, 0) }, func(x float32) float32 { return math.Nextafter32(x, inf32) }
	for _, c := range []struct {
		name   string
		encode func(float32) byte
		in     float32
		want   byte
	}{
		{"e2m1", EncodeE2M1, 0.25, 0}, {"e2m1", EncodeE2M1, above(0.25), 1},
		{"e2m1", EncodeE2M1, 0.75, 2}, {"e2m1", EncodeE2M1, below(0.75), 1},
		{"e2m1", EncodeE2M1, 1.25, 2}, {"e2m1", EncodeE2M1, above(1.25), 3},
		{"e2m1", EncodeE2M1, 1.75, 4}, {"e2m1", EncodeE2M1, below(1.75), 3},
		{"e2m1", EncodeE2M1, 2.5, 4}, {"e2m1", EncodeE2M1, above(2.5), 5},
		{"e2m1", EncodeE2M1, 3.5, 6}, {"e2m1", EncodeE2M1, below(3.5), 5},
		{"e2m1", EncodeE2M1, 5, 6}, {"e2m1", EncodeE2M1, above(5), 7},
		{"e2m1", EncodeE2M1, -0.1, 8}, {"e2m1", EncodeE2M1, neg0, 8}, {"e2m1", EncodeE2M1, -1.25, 10},
		{"e2m1", EncodeE2M1, inf32, 7}, {"e2m1", EncodeE2M1, -inf32, 15}, {"e2m1", EncodeE2M1, nan32, 7}, {"e2m1", EncodeE2M1, -nan32, 7},
		{"e4m3", EncodeE4M3, 0, 0}, {"e4m3", EncodeE4M3, neg0, 0x80},
		{"e4m3", EncodeE4M3, 0x1p-10, 0}, {"e4m3", EncodeE4M3, above(0x1p-10), 1}, {"e4m3", EncodeE4M3, 1.5 * 0x1p-9, 2},
		{"e4m3", EncodeE4M3, 7.5 * 0x1p-9, 8}, {"e4m3", EncodeE4M3, below(7.5 * 0x1p-9), 7},
		{"e4m3", EncodeE4M3, 1.0625, 0x38}, {"e4m3", EncodeE4M3, 1.1875, 0x3A}, {"e4m3", EncodeE4M3, 1.96875, 0x40},
		{"e4m3", EncodeE4M3, 432, 0x7E}, {"e4m3", EncodeE4M3, below(432), 0x7D}, {"e4m3", EncodeE4M3, 448, 0x7E},
		{"e4m3", EncodeE4M3, 1e9, 0x7E}, {"e4m3", EncodeE4M3, -inf32, 0xFE}, {"e4m3", EncodeE4M3, nan32, 0x7E},
		{"e4m3", EncodeE4M3, math.Float32frombits(0xFFC00000), 0xFE}, {"e4m3", EncodeE4M3, 0x1p-149, 0},
		{"e8m0", EncodeE8M0, 0, 0}, {"e8m0", EncodeE8M0, 1, 127}, {"e8m0", EncodeE8M0, above(1), 128}, {"e8m0", EncodeE8M0, below(1), 127},
		{"e8m0", EncodeE8M0, 0x1p-149, 1}, {"e8m0", EncodeE8M0, 0x1p-127, 1}, {"e8m0", EncodeE8M0, 0x1p-126, 1}, {"e8m0", EncodeE8M0, above(0x1p-126), 2},
		{"e8m0", EncodeE8M0, 0x1p127, 254}, {"e8m0", EncodeE8M0, math.MaxFloat32, 254}, {"e8m0", EncodeE8M0, inf32, 255}, {"e8m0", EncodeE8M0, nan32, 255},
	} {
		if got := c.encode(c.in); got != c.want {
			t.Errorf("%s of %v is %#02x, want %#02x", c.name, c.in, got, c.want)
		}
	}
}

// TestEncodeNearest checks the encoders against a search for the nearest code, over floats of every
// exponent with and without all their mantissa.
func TestEncodeNearest(t *testing.T) {
	for _, c := range []struct {
		name   string
		decode func(byte) float32
		encode func(float32) byte
		max    byte // code of the largest value
	}{{"e2m1", DecodeE2M1, EncodeE2M1, 7}, {"e4m3", DecodeE4M3, EncodeE4M3, 0x7E}} {
		for u := uint32(0); u < infF32; u += 0x1FFF1 {
			x := math.Float32frombits(u)
			got, best := c.encode(x), math.Inf(1)
			for code := byte(0); code <= c.max; code++ {
				best = min(best, math.Abs(float64(c.decode(code))-float64(x)))
			}
			if d := math.Abs(float64(c.decode(got)) - float64(x)); d != best {
				t.Fatalf("%s of %v is %v, off by %v; %v is possible", c.name, x, c.decode(got), d, best)
			}
		}
	}
}

func TestFloat16(t *testing.T) {
	for _, c := range []struct {
		in        float32
		bf16, f16 uint16
	}{
		{0, 0, 0}, {neg0, 0x8000, 0x8000}, {1, 0x3F80, 0x3C00}, {-2, 0xC000, 0xC000},
		{1 + 0x1p-8, 0x3F80, 0x3C04}, {1 + 3*0x1p-8, 0x3F82, 0x3C0C}, // bf16 ties
		{1 + 0x1p-11, 0x3F80, 0x3C00}, {1 + 3*0x1p-11, 0x3F80, 0x3C02}, // f16 ties
		{65504, 0x4780, 0x7BFF}, {65519, 0x4780, 0x7BFF}, {65520, 0x4780, 0x7C00},
		{0x1p-24, 0x3380, 1}, {0x1p-25, 0x3300, 0}, {1.5 * 0x1p-24, 0x33C0, 2}, {-0x1p-14, 0xB880, 0x8400},
		{0x1p-149, 0, 0}, {0x1p-133, 1, 0}, {math.MaxFloat32, 0x7F80, 0x7C00}, {inf32, 0x7F80, 0x7C00}, {-inf32, 0xFF80, 0xFC00},
		{nan32, 0x7FC0, 0x7E00}, {-nan32, 0x7FC0, 0x7E00},
	} {
		if got := FloatToBF16(c.in); got != c.bf16 {
			t.Errorf("bf16 of %v is %#04x, want %#04x", c.in, got, c.bf16)
		}
		if got := FloatToF16(c.in); got != c.f16 {
			t.Errorf("f16 of %v is %#04x, want %#04x", c.in, got, c.f16)
		}
	}
}

// TestFloat16RoundTrip: every 16-bit pattern that is a number comes back as it was.
func TestFloat16RoundTrip(t *testing.T) {
	for i := range 1 << 16 {
		b := uint16(i)
		if x := BF16ToFloat(b); x == x && FloatToBF16(x) != b {
			t.Errorf("bf16 %#04x comes back as %#04x", b, FloatToBF16(x))
		}
		if x := F16ToFloat(b); x == x && FloatToF16(x) != b {
			t.Errorf("f16 %#04x comes back as %#04x", b, FloatToF16(x))
		}
	}
	for b, want := range map[uint16]float32{0x3C01: 1 + 0x1p-10, 0x0001: 0x1p-24, 0x83FF: -1023 * 0x1p-24, 0x7BFF: 65504, 0xFC00: -inf32, 0x7C01: nan32} {
		if got := F16ToFloat(b); !same(got, want) {
			t.Errorf("f16 %#04x is %v, want %v", b, got, want)
		}
	}
}

// TestAwkwardGroups states what becomes of groups without an ordinary scale.
func TestAwkwardGroups(t *testing.T) {
	for _, c := range []struct {
		kernel      string
		first, rest float32
		scale       byte
		codes       [2]byte // first, others
	}{
		{"nvfp4", 0, 0, 0, [2]byte{0, 0}}, {"nvfp4", neg0, neg0, 0, [2]byte{8, 8}},
		{"nvfp4", 6 * 0x1p-10, -0x1p-20, 0, [2]byte{0, 8}}, // scale rounds to 0: the group is lost
		{"nvfp4", inf32, 1, 0x7E, [2]byte{7, 0}}, {"nvfp4", nan32, -1, 0x7E, [2]byte{7, 8}},
		{"nvfp4", 6, -3, 0x38, [2]byte{7, 13}}, {"nvfp4", 1e30, -1e30, 0x7E, [2]byte{7, 15}},
		{"mxfp4", 0, neg0, 0, [2]byte{0, 8}}, {"mxfp4", 6, -3, 127, [2]byte{7, 13}}, {"mxfp4", 6.01, -3, 128, [2]byte{5, 11}},
		{"mxfp4", inf32, 1, 255, [2]byte{7, 7}}, {"mxfp4", nan32, -1, 255, [2]byte{7, 7}},
		{"mxfp8", 0, neg0, 0, [2]byte{0, 0x80}}, {"mxfp8", 448, -1, 127, [2]byte{0x7E, 0xB8}},
		{"mxfp8", inf32, -1, 255, [2]byte{0x7E, 0xFE}}, {"mxfp8", nan32, 1, 255, [2]byte{0x7E, 0x7E}},
	} {
		w := make([]float32, mxGroup)
		for i := range w {
			w[i] = c.rest
		}
		w[0], w[nvfp4Group] = c.first, c.first
		src, codes, scales := make([]byte, 4*mxGroup), make([]byte, mxGroup), make([]byte, 1)
		narrowRef(src, F32, w)
		switch c.kernel {
		case "nvfp4":
			encodeNVFP4Ref(codes, scales, src, F32, 1, Search{})
		case "mxfp4":
			encodeMXFP4Ref(codes, scales, src, F32, Search{})
		case "mxfp8":
			encodeMXFP8Ref(codes, scales, src, F32)
		}
		got := [2]byte{codes[0], codes[1]}
		if c.kernel != "mxfp8" {
			got = [2]byte{codes[0] & 15, codes[0] >> 4}
		}
		if scales[0] != c.scale || got != c.codes {
			t.Errorf("%s of %v and %v: scale %#02x, codes %v; want %#02x, %v", c.kernel, c.first, c.rest, scales[0], got, c.scale, c.codes)
		}
	}
}

// TestPackBits gives the words that MLX packs: 3-bit codes 7..0 are bytes 77 39 05.
func TestPackBits(t *testing.T) {
	for _, c := range []struct {
		bits int
		want string
	}{{2, "1b1b"}, {3, "773905"}, {4, "67452301"}, {5, "c714324400"}, {6, "875110831000"}, {8, "0706050403020100"}} {
		w := []float32{7, 6, 5, 4, 3, 2, 1, 0}
		if c.bits == 2 {
			w = []float32{3, 2, 1, 0, 3, 2, 1, 0}
		}
		dst := make([]byte, c.bits)
		packBits(dst, w, c.bits, func(x float32) uint64 { return uint64(x) })
		if got := fmt.Sprintf("%x", dst); got != c.want {
			t.Errorf("%d bits: got %s, want %s", c.bits, got, c.want)
		}
	}
}

// TestAffineCode rounds as math.Round does, between the ends.
func TestAffineCode(t *testing.T) {
	check := func(v float32) {
		want := min(max(math.Round(float64(v)), 0), 255)
		if v != v {
			want = 0
		}
		if got := affineCode(v, 255); float64(got) != want {
			t.Fatalf("%v becomes %d, want %v", v, got, want)
		}
	}
	for k := range 260 {
		half := float32(k) + 0.5
		for _, v := range []float32{half, math.Nextafter32(half, 0), math.Nextafter32(half, inf32), float32(k), -half} {
			check(v)
		}
	}
	for _, v := range []float32{nan32, inf32, -inf32, 0, neg0, 1e30, 0x1p-149} {
		check(v)
	}
}
