package kernel

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

var elems = map[string]Elem{"bf16": BF16, "f16": F16, "f32": F32}

var affineBits = []int{2, 3, 4, 5, 6, 8}

// counts of groups or elements around every lane width and piece.
var counts = []int{0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 31, 33, 65}

// specials are floats at which some branch of some kernel turns.
var specials = []float32{
	0, float32(math.Copysign(0, -1)), 1, -1, 0x1p-149, -0x1p-149, 0x1p-127, -0x1p-126, 0x1p-126,
	math.MaxFloat32, -math.MaxFloat32, float32(math.Inf(1)), float32(math.Inf(-1)),
	math.Float32frombits(nanF32), math.Float32frombits(0xFFC00001), math.Float32frombits(0x7F800001),
	0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5, 6, -0.25, -0.75, -1.25, -1.75, -2.5, -3.5, -5, -6,
	448, 464, 480, -448, -464, 0x1p-10, 0x1p-9, 1.5 * 0x1p-9, 0x1p-6, 65504, 65519, 65520, -65520, 0x1p-24, 0x1p-25, 1.5 * 0x1p-24,
	1e-7, -1e-7, 0.5e-7, 0.49999997, 0.5, 1.5, 2688, 0.00586, 0.0029296875,
}

// sources are n elements each: what kernels must agree on.
func sources(e Elem, n int) map[string][]byte {
	rng := rand.New(rand.NewPCG(uint64(n), 7))
	make32 := func(f func(i int) float32) []byte {
		w := make([]float32, n)
		for i := range w {
			w[i] = f(i)
		}
		b := make([]byte, n*e.Size()+1)[1:] // odd address
		narrowRef(b, e, w)
		return b
	}
	scale := func(i int) float32 { return float32(math.Ldexp(1, int(i/16*37)%60-30)) }
	random := make([]byte, n*e.Size()+1)[1:]
	for i := range random {
		random[i] = byte(rng.Uint32())
	}
	tiny := make([]byte, n*e.Size())
	for i := 0; i < len(tiny); i += e.Size() { // subnormals of the type, both signs
		tiny[i], tiny[i+e.Size()-1] = byte(rng.Uint32()), byte(rng.Uint32())&0x80
	}
	return map[string][]byte{
		"random bits":   random,
		"subnormals":    tiny,
		"zeros":         make32(func(int) float32 { return 0 }),
		"minus zeros":   make32(func(int) float32 { return specials[1] }),
		"constant":      make32(func(int) float32 { return -0.37 }),
		"normal":        make32(func(int) float32 { return float32(rng.NormFloat64() * 0.02) }),
		"wide":          make32(func(i int) float32 { return float32(rng.NormFloat64()) * scale(i) }),
		"ties":          make32(func(i int) float32 { return float32(rng.IntN(49)-24) / 4 * scale(i) }),
		"positive":      make32(func(i int) float32 { return float32(rng.Float64()+0.1) * scale(i) }),
		"negative":      make32(func(i int) float32 { return -float32(rng.Float64()+0.1) * scale(i) }),
		"half a scale":  make32(func(int) float32 { return math.Nextafter32(affineMinScale/2, 0) }),
		"one special":   make32(func(i int) float32 { return specialAt(i) }),
		"specials":      make32(func(i int) float32 { return specials[rng.IntN(len(specials))] }),
		"near overflow": make32(func(i int) float32 { return float32((rng.Float64() - 0.5) * 2 * math.MaxFloat32) }),
	}
}

// specialAt is a special among ordinary values at each seventh place.
func specialAt(i int) float32 {
	if i%7 == 3 {
		return specials[i/7%len(specials)]
	}
	return 0.01
}

// fast is every version but the definition; the test is skipped where there is none.
func fast(t *testing.T) []*Set {
	t.Helper()
	if len(Versions()) == 1 {
		t.Skip("this build has the definition only: set CGO_ENABLED=1")
	}
	return Versions()[1:]
}

// encoder is one encode kernel: groups of a length, with sizes of its outputs a group.
type encoder struct {
	name  string
	group int
	sizes func(scale Elem, groups int) []int
	run   func(s *Set, out [][]byte, src []byte, from, scale Elem)
}

// counts are all of them, but few for a search, which is slow in Go.
func (k encoder) counts() []int {
	if strings.Contains(k.name, "search") {
		return []int{1, 4, 6, 19}
	}
	return counts
}

func encoders() []encoder {
	fp := func(bits, group int) func(Elem, int) []int {
		return func(_ Elem, n int) []int { return []int{n * bits * group / 8, n} }
	}
	list := []encoder{
		{"nvfp4", 16, fp(4, 16), func(s *Set, o [][]byte, src []byte, from, _ Elem) { s.EncodeNVFP4(o[0], o[1], src, from, 1, Search{}) }},
		{"nvfp4-search", 16, fp(4, 16), func(s *Set, o [][]byte, src []byte, from, _ Elem) {
			s.EncodeNVFP4(o[0], o[1], src, from, 1, Search{On: true})
		}},
		{"nvfp4-global", 16, fp(4, 16), func(s *Set, o [][]byte, src []byte, from, _ Elem) {
			s.EncodeNVFP4(o[0], o[1], src, from, 7.3e-5, Search{})
		}},
		{"nvfp4-global-search", 16, fp(4, 16), func(s *Set, o [][]byte, src []byte, from, _ Elem) {
			s.EncodeNVFP4(o[0], o[1], src, from, 7.3e-5, Search{On: true})
		}},
		{"mxfp4", 32, fp(4, 32), func(s *Set, o [][]byte, src []byte, from, _ Elem) { s.EncodeMXFP4(o[0], o[1], src, from, Search{}) }},
		{"mxfp4-search", 32, fp(4, 32), func(s *Set, o [][]byte, src []byte, from, _ Elem) {
			s.EncodeMXFP4(o[0], o[1], src, from, Search{On: true})
		}},
		{"nvfp4-weighted-search", 16, fp(4, 16), func(s *Set, o [][]byte, src []byte, from, _ Elem) {
			s.EncodeNVFP4(o[0], o[1], src, from, 7.3e-5, Search{true, columnWeights(48)})
		}},
		{"mxfp4-weighted-search", 32, fp(4, 32), func(s *Set, o [][]byte, src []byte, from, _ Elem) {
			s.EncodeMXFP4(o[0], o[1], src, from, Search{true, columnWeights(96)})
		}},
		{"mxfp8", 32, fp(8, 32), func(s *Set, o [][]byte, src []byte, from, _ Elem) { s.EncodeMXFP8(o[0], o[1], src, from) }},
	}
	for _, bits := range affineBits {
		for _, group := range []int{32, 64, 128} {
			weighted := Search{true, columnWeights(3 * group)}
			list = append(list, affineEncoder(bits, group, Search{}), affineEncoder(bits, group, Search{On: true}), affineEncoder(bits, group, weighted))
		}
	}
	return list
}

// columnWeights are weights of n columns: of an ordinary spread, with zeros and extremes among them.
func columnWeights(n int) []float32 {
	rng := rand.New(rand.NewPCG(uint64(n), 5))
	h := make([]float32, n)
	for i := range h {
		h[i] = float32(math.Exp(2 * rng.NormFloat64()))
		if i%11 == 4 {
			h[i] = []float32{0, 1e30, 0x1p-140, math.MaxFloat32}[i/11%4]
		}
	}
	return h
}

func affineEncoder(bits, group int, search Search) encoder {
	name := "affine"
	if search.On {
		name = "search-affine"
	}
	if search.Columns != nil {
		name = "weighted-search-affine"
	}
	return encoder{
		name + fmt.Sprintf("%d-g%d", bits, group), group,
		func(scale Elem, n int) []int {
			return []int{n * bits * group / 8, n * scale.Size(), n * scale.Size()}
		},
		func(s *Set, o [][]byte, src []byte, from, scale Elem) {
			s.EncodeAffine(o[0], o[1], o[2], src, from, scale, bits, group, search)
		},
	}
}

// TestEncodeVersions holds every version to the bytes of the definition, canaries included.
func TestEncodeVersions(t *testing.T) {
	for name, from := range elems {
		all := sources(from, 65*128)
		for _, k := range encoders() {
			t.Run(name+"/"+k.name, func(t *testing.T) {
				for kind, src := range all {
					for _, groups := range k.counts() {
						k.compare(t, fmt.Sprintf("%d groups, %s", groups, kind), src[:groups*k.group*from.Size()], from, groups)
					}
				}
			})
		}
	}
}

// compare runs every version on one source. The type of affine scales goes by the number of groups.
func (k encoder) compare(t *testing.T, what string, src []byte, from Elem, groups int) {
	t.Helper()
	scale := []Elem{F32, from, F16, BF16}[groups%4]
	var want arena
	k.run(Reference(), want.bytes(k.sizes(scale, groups)...), src, from, scale)
	for _, s := range fast(t) {
		var got arena
		k.run(s, got.bytes(k.sizes(scale, groups)...), src, from, scale)
		got.mustEqual(t, s.Name+", "+what, &want, true)
	}
}

// FuzzEncodeVersions looks for bytes on which versions differ.
func FuzzEncodeVersions(f *testing.F) {
	for i := range encoders() {
		f.Add(byte(i), byte(i), []byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"))
	}
	f.Fuzz(func(t *testing.T, kernel, elem byte, src []byte) {
		k, from := encoders()[int(kernel)%len(encoders())], Elem(elem%3)
		groups := len(src) / (k.group * from.Size())
		k.compare(t, k.name, src[:groups*k.group*from.Size()], from, groups)
	})
}

// TestDecodeVersions does so for decoding, from random bytes.
func TestDecodeVersions(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	random := func(n int) []byte {
		b := make([]byte, n+1)[1:]
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return b
	}
	check := func(what string, n int, run func(s *Set, dst []float32)) {
		t.Helper()
		var want arena
		run(Reference(), want.values(n))
		for _, s := range fast(t) {
			var got arena
			run(s, got.values(n))
			got.mustEqual(t, fmt.Sprintf("%s %s, %d values", s.Name, what, n), &want, false)
		}
	}
	for _, n := range counts {
		codes, scales, biases := random(128*n), random(4*n), random(4*n)
		check("nvfp4", 16*n, func(s *Set, dst []float32) { s.DecodeNVFP4(dst, codes[:8*n], scales[:n], 1) })
		check("nvfp4-global", 16*n, func(s *Set, dst []float32) { s.DecodeNVFP4(dst, codes[:8*n], scales[:n], 7.3e-5) })
		check("mxfp4", 32*n, func(s *Set, dst []float32) { s.DecodeMXFP4(dst, codes[:16*n], scales[:n]) })
		check("mxfp8", 32*n, func(s *Set, dst []float32) { s.DecodeMXFP8(dst, codes[:32*n], scales[:n]) })
		check("e4m3", n, func(s *Set, dst []float32) { s.DecodeE4M3(dst, codes[:n], -0.3) })
		for _, bits := range affineBits {
			for _, group := range []int{32, 64, 128} {
				for _, scale := range elems {
					check(fmt.Sprintf("affine%d-g%d", bits, group), group*n, func(s *Set, dst []float32) {
						s.DecodeAffine(dst, codes[:group*n*bits/8], scales[:n*scale.Size()], biases[:n*scale.Size()], scale, bits, group)
					})
				}
			}
		}
	}
}

// TestFloatVersions compares Widen, Narrow and NonFinite over every 16-bit pattern, and over floats
// around every 16-bit value and halfway between.
func TestFloatVersions(t *testing.T) {
	for _, s := range fast(t) {
		for name, e := range elems {
			t.Run(s.Name+"/"+name, func(t *testing.T) {
				for kind, src := range floatSources(e) {
					n := len(src) / e.Size()
					var got, want arena
					s.Widen(got.values(n), src, e)
					widenRef(want.values(n), src, e)
					got.mustEqual(t, kind, &want, true)
					if g, w := s.NonFinite(src, e), nonFiniteRef(src, e); g != w {
						t.Errorf("%s: counts %d non-finite elements, want %d", kind, g, w)
					}
				}
				for _, w := range floatInputs() {
					var got, want arena
					s.Narrow(got.bytes(len(w) * e.Size())[0], e, w)
					narrowRef(want.bytes(len(w) * e.Size())[0], e, w)
					got.mustEqual(t, "narrow", &want, true)
				}
			})
		}
	}
}

// floatSources is every 16-bit pattern at once, and short pieces of all kinds.
func floatSources(e Elem) map[string][]byte {
	all := make([]byte, 1<<17)
	for i := range 1 << 16 {
		binary.LittleEndian.PutUint16(all[2*i:], uint16(i))
	}
	m := map[string][]byte{"every pattern": all}
	for _, n := range counts {
		for kind, src := range sources(e, n) {
			m[fmt.Sprintf("%d %s", n, kind)] = src
		}
	}
	return m
}

// floatInputs are float32 with every upper half, and lower halves about a tie.
func floatInputs() [][]float32 {
	var all [][]float32
	for _, low := range []uint32{0, 1, 0x0FFF, 0x1000, 0x1001, 0x2FFF, 0x3000, 0x7FFF, 0x8000, 0x8001, 0xFFFF} {
		w := make([]float32, 1<<16)
		for i := range w {
			w[i] = math.Float32frombits(uint32(i)<<16 | low)
		}
		all = append(all, w)
	}
	for _, n := range counts {
		all = append(all, specials[:min(n, len(specials))])
	}
	return all
}
