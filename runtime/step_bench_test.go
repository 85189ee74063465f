package runtime

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"qimport/convert/source"
	"qimport/runtime/mlx"
	"qimport/runtime/model"
)

// BenchmarkStep says where the time of a decoding step goes: building the graph, handing its
// operations to the device, and waiting for the device after that. On a GPU that waits for its
// operations, more than half of the time is in the first two.
func BenchmarkStep(b *testing.B) {
	m := stepModel(b)
	x := m.NewSession()
	defer x.Close()
	id, size := int32(200), m.Tokenizer.Size()
	var build, hand, wait time.Duration
	step := func(s *mlx.Scope) error {
		t0 := time.Now()
		chosen := x.likeliest(s, m.decoder.Hidden(s, s.FromInt32([]int32{id}, 1, 1), x.caches, model.Sight{}), size)
		t1 := time.Now()
		if err := s.AsyncEval(append(x.live(), chosen)...); err != nil {
			return err
		}
		t2 := time.Now()
		id = s.Int32s(chosen)[0]
		build, hand, wait = build+t1.Sub(t0), hand+t2.Sub(t1), wait+time.Since(t2)
		return nil
	}
	for range 8 { // what is compiled at the first use
		if err := m.thread.Do(b.Context(), step); err != nil {
			b.Fatal(err)
		}
	}
	build, hand, wait = 0, 0, 0
	for b.Loop() {
		if err := m.thread.Do(b.Context(), step); err != nil {
			b.Fatal(err)
		}
	}
	for name, d := range map[string]time.Duration{"build-ms": build, "hand-ms": hand, "wait-ms": wait} {
		b.ReportMetric(d.Seconds()*1e3/float64(b.N), name)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
}

// stepModel is the model that QIMPORT_BENCH_MODEL names, or this repository's small one, computing as
// QIMPORT_BENCH_COMPUTE says.
func stepModel(b *testing.B) *Model {
	b.Helper()
	dir := os.Getenv("QIMPORT_BENCH_MODEL")
	if dir == "" {
		dir = "../testdata/qwen3.5-bf16"
	}
	w, err := source.OpenDir(dir)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { w.Close() })
	o := Options{}
	if c := os.Getenv("QIMPORT_BENCH_COMPUTE"); c != "" {
		if o.Compute, err = ParseCompute(c); err != nil {
			b.Fatal(err)
		}
	}
	m, err := Load(context.Background(), w, o)
	if errors.Is(err, mlx.ErrNoMLX) {
		b.Skip(err)
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(m.Close)
	return m
}
