package runtime_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"qimport/convert/source"
	"qimport/runtime"
)

// benchSource is the model that QIMPORT_BENCH_MODEL names, or this repository's small one, and how
// to load it: in the way that QIMPORT_BENCH_COMPUTE asks for.
func benchSource(b *testing.B) (*source.Source, runtime.Options) {
	b.Helper()
	dir := os.Getenv("QIMPORT_BENCH_MODEL")
	if dir == "" {
		dir = "../testdata/qwen3.5-bf16"
	}
	var o runtime.Options
	if c := os.Getenv("QIMPORT_BENCH_COMPUTE"); c != "" {
		var err error
		if o.Compute, err = runtime.ParseCompute(c); err != nil {
			b.Fatal(err)
		}
	}
	return openDir(b, dir), o
}

func benchModel(b *testing.B) *runtime.Model {
	w, o := benchSource(b)
	return load(b, w, o)
}

func someTokens(n int) []int {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = 100 + i*7919%900
	}
	return ids
}

func BenchmarkLoad(b *testing.B) {
	w, o := benchSource(b)
	var size int64
	for b.Loop() {
		m, err := runtime.Load(b.Context(), w, o)
		if err != nil {
			b.Fatal(err)
		}
		size = m.Placement.WeightBytes
		m.Close()
	}
	b.ReportMetric(float64(size)*float64(b.N)/1e9/b.Elapsed().Seconds(), "GB/s")
}

func BenchmarkPrefill(b *testing.B) {
	m := benchModel(b)
	for _, n := range []int{100, 500, 2048} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				x := m.NewSession()
				if _, err := x.Feed(b.Context(), someTokens(n)); err != nil {
					b.Fatal(err)
				}
				x.Close()
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	m := benchModel(b)
	x := m.NewSession()
	defer x.Close()
	if _, err := x.Feed(b.Context(), someTokens(64)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := x.Step(b.Context(), 200+x.Len()%100); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
}

// BenchmarkFew reads three tokens at a time, as drafts are checked: after another number of keys each time.
func BenchmarkFew(b *testing.B) {
	m := benchModel(b)
	x := m.NewSession()
	defer x.Close()
	ids := someTokens(67)
	if _, err := x.Feed(b.Context(), ids); err != nil {
		b.Fatal(err)
	}
	if _, err := x.Feed(b.Context(), ids[:3]); err != nil { // what is compiled at the first use
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := x.Feed(b.Context(), ids[:3]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(3*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
}

// BenchmarkScoreBatch scores four texts of 64 tokens side by side, and one by one: how many times as
// long the latter takes is the gain.
func BenchmarkScoreBatch(b *testing.B) {
	m := benchModel(b)
	ids := someTokens(4 * 64)
	texts := [][]int{ids[:64], ids[64:128], ids[128:192], ids[192:]}
	score := func(texts ...[]int) time.Duration {
		start := time.Now()
		if _, err := m.ScoreBatch(b.Context(), texts, func(int, int, []float32) error { return nil }); err != nil {
			b.Fatal(err)
		}
		return time.Since(start)
	}
	var together, alone time.Duration
	for b.Loop() {
		together += score(texts...)
		for _, text := range texts {
			alone += score(text)
		}
	}
	b.ReportMetric(float64(len(ids)*b.N)/together.Seconds(), "tokens/s")
	b.ReportMetric(alone.Seconds()/together.Seconds(), "gain")
}
