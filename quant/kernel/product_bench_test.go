package kernel

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
)

// benchBytes is more than caches hold.
const benchBytes = 96 << 20

// BenchmarkProduct times one column against a matrix that is read from memory, in bytes of packed rows a
// second; BenchmarkMemory says what a plain read of as many bytes does, on as many threads.
func BenchmarkProduct(b *testing.B) {
	const in = 4096
	for _, f := range forms() {
		r := f.rows
		data, scales := r.sizes(in)
		rng := rand.New(rand.NewPCG(1, 1))
		if r.Layout == Turned {
			data = in * r.Elem.Size()
		}
		height := benchBytes / data / 64 * 64
		small := f.make(rng, 64, in)
		r = small
		r.N = height
		r.Data = repeat(small.Data, r.N/64)
		r.Scales, r.Biases = repeat(small.Scales, r.N/64), repeat(small.Biases, r.N/64)
		if r.Layout == Turned { // of which no rows follow others
			r = f.make(rng, height, in)
		}
		m := NewMatrix(in, [][]Rows{{r}})
		bytes := r.N * data
		if r.Layout != E4M3 {
			bytes += r.N*scales + len(r.Biases)
		}
		x, y := normal(rng, in), make([]float32, r.N)
		b.Run(f.name, func(b *testing.B) {
			b.SetBytes(int64(bytes))
			for b.Loop() {
				m.Multiply(y, x)
			}
		})
		m.Close()
	}
}

func repeat(b []byte, n int) []byte {
	var all []byte
	for range n {
		all = append(all, b...)
	}
	return all
}

// BenchmarkVersions times one to four columns against rows of four and eight bits that lie in a core's cache, on one thread,
// by every version but the definition.
func BenchmarkVersions(b *testing.B) {
	SetThreads(1)
	defer SetThreads(runtime.GOMAXPROCS(0))
	const in, out = 1024, 512
	for _, f := range forms() {
		switch f.name {
		case "nvfp4", "mxfp4", "affine4-g64", "mxfp8", "affine8-g64":
		default:
			continue
		}
		rng := rand.New(rand.NewPCG(1, 1))
		r := f.make(rng, out, in)
		for _, n := range []int{1, 2, 4} {
			x, y := normal(rng, n*in), make([]float32, n*out)
			for _, s := range Versions()[1:] {
				m := newMatrix(s, in, [][]Rows{{r}})
				b.Run(fmt.Sprintf("%s/%d/%s", f.name, n, s.Name), func(b *testing.B) {
					b.SetBytes(int64(len(r.Data) + len(r.Scales) + len(r.Biases)))
					for b.Loop() {
						m.Multiply(y, x)
					}
				})
				m.Close()
			}
		}
	}
}

// BenchmarkMemory reads memory on all cores, by the fastest kernel that only reads.
func BenchmarkMemory(b *testing.B) {
	data, threads := make([]byte, benchBytes), runtime.GOMAXPROCS(0)
	for i := range data {
		data[i] = byte(i)
	}
	b.SetBytes(benchBytes)
	for b.Loop() {
		var wait sync.WaitGroup
		for i := range threads {
			wait.Go(func() { best.NonFinite(data[benchBytes/threads*i/4*4:][:benchBytes/threads/4*4], BF16) })
		}
		wait.Wait()
	}
}

// BenchmarkPanels times many columns, in operations a second (two for each weight and column): what
// MB/s says are millions of them.
func BenchmarkPanels(b *testing.B) {
	const in, out = 2048, 2048
	for _, f := range forms() {
		switch f.name {
		case "bf16", "f32", "bf16-turned", "nvfp4", "mxfp4", "mxfp8", "affine3-g64", "affine4-g32", "affine4-g64", "affine4-g128", "affine8-g64":
		default:
			continue
		}

		rng := rand.New(rand.NewPCG(1, 1))
		m := NewMatrix(in, [][]Rows{{f.make(rng, out, in)}})
		for _, n := range []int{2, 4, 5, 6, 8, 9, 16, 64, 512} {
			x, y := normal(rng, n*in), make([]float32, n*out)
			b.Run(fmt.Sprintf("%s/%d", f.name, n), func(b *testing.B) {
				b.SetBytes(2 * in * out * int64(n))
				for b.Loop() {
					m.Multiply(y, x)
				}
			})
		}
		m.Close()
	}
}
