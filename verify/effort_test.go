package verify

import (
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"qimport/arch"
	"qimport/convert/source"
	"qimport/quant"
	"qimport/runtime/mlx"
	"qimport/verify/report"
)

// The shapes that users import, about, with weights in nvfp4 and the embedding in bf16.
var (
	small08 = size{dense: 0.8e9, flops: 1.0e9, head: 0.5e9, vocab: 248320}
	dense4  = size{dense: 3.3e9, flops: 7.2e9, head: 1.3e9, vocab: 248320}
	moe35   = size{dense: 1.9e9, experts: 18e9, share: 8.0 / 256, flops: 6e9, head: 1e9, vocab: 248320}
	seeing4 = size{dense: 3.3e9, flops: 7.2e9, head: 1.3e9, vocab: 248320, tower: 0.8e9}
	dense27 = size{dense: 17e9, flops: 52e9, head: 2.5e9, vocab: 248320}
)

// What is run goes by sizes alone; that a smoke verification is planned to take no longer on two cores than
// 30 seconds for 0.8B, two minutes for 4B, four with a tower, and ten for 35B-A3B is held here.
func TestEffort(t *testing.T) {
	for _, tt := range []struct {
		name    string
		size    size
		level   report.Level
		steps   int
		longest int
		seconds float64 // at most
	}{
		{"of nothing", size{}, report.Smoke, 568, 2049, 3},
		{"0.8B", small08, report.Smoke, 64, 513, 30},
		{"0.8B, quality", small08, report.Quality, 64, 2049, 60},
		{"4B", dense4, report.Smoke, 64, 513, 120},
		{"4B with a tower", seeing4, report.Smoke, 64, 513, 240},
		{"4B, quality", dense4, report.Quality, 64, 513, 120},
		{"35B-A3B", moe35, report.Smoke, 64, 513, 600},
		{"27B", dense27, report.Smoke, 64, 513, 1200},
	} {
		lengths := tt.size.defaultLengths(tt.level)
		longest := lengths[len(lengths)-1]
		e := effort{lengths: lengths, segments: segmentsOf(longest, tt.size.steps()), cases: 4, size: tt.size}
		if tt.size.tower > 0 {
			e.tower, e.pictured = true, []int{1, 1, 1, 1, 2}
		}
		f := e.report(mlx.Info{Device: mlx.CPU}, 2)
		if e.steps() != tt.steps || longest != tt.longest || f.Expected > tt.seconds {
			t.Errorf("%s: %s, %g seconds; want %d steps, up to %d tokens, at most %g seconds", tt.name, f.What(), f.Expected, tt.steps, tt.longest, tt.seconds)
		}
		t.Logf("%s: %s, %g seconds", tt.name, f.What(), f.Expected)
	}
}

func TestSegments(t *testing.T) {
	for _, tt := range []struct {
		length, steps int
		want          []segment
	}{
		{1, 64, []segment{{0, 1}}},
		{33, 600, []segment{{0, 33}}},
		{513, 600, []segment{{0, 513}}},
		{513, 64, []segment{{0, 47}, {256, 16}, {512, 1}}},
		{513, 300, []segment{{0, 283}, {512, 1}}},
		{2049, 64, []segment{{0, 31}, {256, 16}, {512, 16}, {2048, 1}}},
		{2049, 600, []segment{{0, 567}, {2048, 1}}},
		{300, 64, []segment{{0, 48}, {256, 16}}},
		{257, 3, []segment{{0, 2}, {256, 1}}},
	} {
		got := segmentsOf(tt.length, tt.steps)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%d steps in %d: %v, want %v", tt.steps, tt.length, got, tt.want)
		}
	}
}

// Of experts, a token touches those that it goes to; a tower is run for each patch, and the prediction head not.
func TestSizeOf(t *testing.T) {
	tensor := func(role arch.Role, mtp bool, shape ...int) source.Tensor {
		return source.Tensor{Role: role, MTP: mtp, Shape: shape, Format: quant.FormatBF16}
	}
	inv := source.Inventory{Config: arch.Config{VocabSize: 100, Experts: 8, TopK: 2}, Tensors: []source.Tensor{
		tensor(arch.Embedding, false, 100, 4), tensor(arch.Head, false, 100, 4), tensor(arch.Linear, false, 4, 4),
		tensor(arch.Expert, false, 8, 4, 4), tensor(arch.Vision, false, 1000, 4), tensor(arch.Linear, true, 1000, 4),
	}}
	z := sizeOf(inv)
	if z.flops != 2*16+2*32 || z.head != 800 || z.tower != 8000 || z.share != 0.25 || z.vocab != 100 {
		t.Errorf("%+v", z)
	}
	inv.Tensors = slices.Delete(inv.Tensors, 1, 2) // the embedding is the head
	if tied := sizeOf(inv); !reflect.DeepEqual(tied, z) {
		t.Errorf("tied: %+v, else %+v", tied, z)
	}
	both := size{dense: 10, experts: 100, share: 0.25}
	if a, b := both.touched(1), both.touched(9); a != 35 || b != 110 {
		t.Errorf("one token touches %g bytes, nine %g", a, b)
	}
}

func TestAnnouncement(t *testing.T) {
	for seconds, want := range map[float64]string{
		3:   "",
		12:  "smoke: about 20 seconds: 581 tokens read at once, 64 single steps, 4 questions",
		130: "smoke: about 3 minutes: 581 tokens read at once, 64 single steps, 4 questions",
	} {
		if got := announcement(&report.Effort{Prefilled: 581, SingleSteps: 64, Questions: 4, Expected: seconds}); got != want {
			t.Errorf("%g seconds: %q, want %q", seconds, got, want)
		}
	}
}

// TestQualitySeconds: scores that are kept spare reading the source, and a larger source takes longer.
func TestQualitySeconds(t *testing.T) {
	small, large := opened(t, "qwen3.5-moe-4bit"), opened(t, "qwen3.5-bf16")
	r := &run{subject: subject{source: small}}
	kept := r.qualitySeconds(1000)
	r.Against = small
	same := r.qualitySeconds(1000)
	r.Against = large
	other := r.qualitySeconds(1000)
	if least := (tensorBytes(small.Inventory()) + tensorBytes(large.Inventory())) / compareBytes; kept <= 0 || same <= 2*kept || other <= same || other <= least {
		t.Errorf("with kept scores %g s, against itself %g, against a larger one %g, of which reading takes %g", kept, same, other, least)
	}
}

func opened(t *testing.T, name string) *source.Source {
	t.Helper()
	w, err := source.OpenDir(filepath.Join("../testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}
