package kernel

import (
	"math/rand/v2"
	"testing"
)

// benchElements is a few rows: larger than the second-level cache in no format, so that kernels are
// measured, not memory.
const benchElements = 64 << 10

// job is one kernel on one set of buffers.
type job struct {
	name  string
	bytes int // of the unpacked side: what the speed is quoted in
	run   func(s *Set)
}

func benchJobs() []job {
	floats := make([]float32, benchElements)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range floats {
		floats[i] = float32(rng.NormFloat64() * 0.02)
	}
	dst := make([]float32, benchElements)
	codes, scales, biases := make([]byte, benchElements), make([]byte, benchElements/8), make([]byte, benchElements/8)
	var jobs []job
	for from, name := range []string{BF16: "bf16", F16: "f16", F32: "f32"} {
		from := Elem(from)
		src := make([]byte, benchElements*from.Size())
		narrowRef(src, from, floats)
		add := func(kernel string, run func(s *Set)) {
			jobs = append(jobs, job{kernel + "/" + name, len(src), run})
		}
		add("widen", func(s *Set) { s.Widen(dst, src, from) })
		add("narrow", func(s *Set) { s.Narrow(src, from, floats) })
		add("nonfinite", func(s *Set) { s.NonFinite(src, from) })
		add("encode-nvfp4", func(s *Set) { s.EncodeNVFP4(codes, scales[:benchElements/16], src, from, 1, Search{}) })
		add("search-nvfp4", func(s *Set) { s.EncodeNVFP4(codes, scales[:benchElements/16], src, from, 1, Search{On: true}) })
		add("weighted-search-nvfp4", func(s *Set) {
			s.EncodeNVFP4(codes, scales[:benchElements/16], src, from, 1, Search{true, columnWeights(1024)})
		})
		add("encode-mxfp4", func(s *Set) { s.EncodeMXFP4(codes, scales[:benchElements/32], src, from, Search{}) })
		add("search-mxfp4", func(s *Set) { s.EncodeMXFP4(codes, scales[:benchElements/32], src, from, Search{On: true}) })
		add("encode-mxfp8", func(s *Set) { s.EncodeMXFP8(codes, scales[:benchElements/32], src, from) })
		for _, bits := range []int{2, 3, 4, 5, 6, 8} {
			add("encode-affine"+string(rune('0'+bits)), func(s *Set) {
				s.EncodeAffine(codes[:benchElements*bits/8], scales, biases, src, from, from, bits, 64, Search{})
			})
			add("search-affine"+string(rune('0'+bits)), func(s *Set) {
				s.EncodeAffine(codes[:benchElements*bits/8], scales, biases, src, from, from, bits, 64, Search{On: true})
			})
		}
	}
	add := func(name string, run func(s *Set)) { jobs = append(jobs, job{name, 4 * benchElements, run}) }
	add("decode-nvfp4", func(s *Set) { s.DecodeNVFP4(dst, codes, scales[:benchElements/16], 1) })
	add("decode-mxfp4", func(s *Set) { s.DecodeMXFP4(dst, codes, scales[:benchElements/32]) })
	add("decode-mxfp8", func(s *Set) { s.DecodeMXFP8(dst, codes, scales[:benchElements/32]) })
	add("decode-e4m3", func(s *Set) { s.DecodeE4M3(dst, codes, 0.5) })
	for _, bits := range []int{2, 3, 4, 5, 6, 8} {
		add("decode-affine"+string(rune('0'+bits)), func(s *Set) { s.DecodeAffine(dst, codes, scales, biases, BF16, bits, 64) })
	}
	return jobs
}

// BenchmarkKernels times every kernel in every version that this CPU can run, on one core.
func BenchmarkKernels(b *testing.B) {
	for _, j := range benchJobs() {
		for _, s := range Versions() {
			b.Run(j.name+"/"+s.Name, func(b *testing.B) {
				b.SetBytes(int64(j.bytes))
				for b.Loop() {
					j.run(s)
				}
			})
		}
	}
}
