package source

import (
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qimport/arch"
	"qimport/convert/safetensors"
	"qimport/quant"
)

const trained = "../../testdata/qwen3.5-bf16" // in mlx form

// reform writes the trained checkpoint with shift added to its norms and, if raw, the axes of
// conv1d as a release has them.
func reform(t *testing.T, shift float32, raw bool) string {
	t.Helper()
	s, err := OpenDir(trained)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b := &build{arrays: map[string]arrayData{}, files: map[string]string{}, shards: 1}
	for _, tensor := range s.Inventory().Tensors {
		q, err := s.Load(tensor.Name)
		if err != nil {
			t.Fatal(err)
		}
		a := arrayData{tensor.Format.Dtype, slices.Clone(tensor.Shape), slices.Clone(q.Data)}
		if arch.ZeroCentred(tensor.Body) {
			w := make([]float32, quant.Elements(a.shape))
			if err := quant.ToFloat32(w, a.data, a.dtype); err != nil {
				t.Fatal(err)
			}
			fill(a, func(i int) float32 { return w[i] + shift })
		}
		if tensor.Role == arch.Conv && raw {
			a.shape[1], a.shape[2] = a.shape[2], a.shape[1]
		}
		b.arrays[tensor.Name] = a
	}
	dir := t.TempDir()
	b.writeShard(t, dir, "model.safetensors", s.Names())
	for _, name := range []string{"config.json", "tokenizer.json"} {
		content, err := s.File(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestShiftOfTrainedNorms(t *testing.T) {
	for _, c := range []struct {
		name  string
		shift float32
		raw   bool
		want  string // of the error; "" for none
	}{
		{"mlx form", 0, false, ""},
		{"release form", -1, true, ""},
		{"mlx form, shifted twice", 1, false, "shifted twice"},
		{"mlx conv1d, release norms", -1, false, "still need +1"},
		{"release conv1d, mlx norms", 0, true, "shifted already"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := OpenDir(reform(t, c.shift, c.raw))
			if err == nil {
				s.Close()
			}
			if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, ErrSource) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// Trained norms of other models vary more than the small ones here: no spread of gains that is not
// all around 0 or 2 may be refused.
func TestNormsThatVaryPass(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		name string
		mean func(layer, layers int) float64 // of the gains
		dev  float64                         // of the elements
	}{
		{"around 1", func(int, int) float64 { return 1 }, 0.3},
		{"small", func(int, int) float64 { return 0.25 }, 0.08},
		{"small in the first layers", func(l, n int) float64 { return 0.05 + float64(l)/float64(n) }, 0.05},
		{"growing to 3", func(l, n int) float64 { return 0.5 + 2.5*float64(l)/float64(n) }, 0.3},
		{"large", func(int, int) float64 { return 8 }, 2},
		{"half around 2", func(l, _ int) float64 { return 1 + float64(l%2) }, 0.2},
		{"around 2, but wide", func(int, int) float64 { return 1.8 }, 1},
	} {
		for _, form := range []arch.NormForm{arch.NormsRaw, arch.NormsShifted} {
			var gains []normGains
			for l := range 48 {
				w := make([]float32, 256)
				for i := range w {
					w[i] = float32(math.Abs(c.mean(l, 48) + c.dev*r.NormFloat64()))
					if form == arch.NormsRaw {
						w[i]--
					}
				}
				gains = append(gains, measureGains("norm", w, form))
			}
			if err := judgeNorms(gains, form); err != nil {
				t.Errorf("%s, %s: %v", c.name, form, err)
			}
		}
	}
}

func TestFewNormsProveNothing(t *testing.T) {
	twice := measureGains("norm", []float32{2, 2, 2}, arch.NormsShifted)
	if err := judgeNorms(slices.Repeat([]normGains{twice}, minNorms-1), arch.NormsShifted); err != nil {
		t.Error(err)
	}
	if err := judgeNorms(slices.Repeat([]normGains{twice}, minNorms), arch.NormsShifted); err == nil {
		t.Error("norms of 2 passed")
	}
}

// The data of a file that was cut after it was opened is not read.
func TestLoadNoticesChange(t *testing.T) {
	dir := newBuild(t, arch.Qwen3, release).write(t)
	s, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Unchanged(); err != nil {
		t.Fatal(err)
	}
	truncate(t, filepath.Join(dir, "model.safetensors"))
	if err := s.Unchanged(); !errors.Is(err, ErrSource) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Load("model.norm.weight"); !errors.Is(err, safetensors.ErrBadHeader) {
		t.Errorf("got %v", err)
	}
}

// TestHeadNorms: the norms of a multi-token-prediction head are judged by themselves, for a reader that takes
// them to be of a form.
func TestHeadNorms(t *testing.T) {
	around := func(mean float32) []normVector {
		norms := make([]normVector, 7)
		for i := range norms {
			for at := range 64 {
				norms[i].w = append(norms[i].w, mean+0.2*float32(at%5-2))
			}
		}
		return norms
	}
	for _, tt := range []struct {
		form arch.NormForm
		mean float32
		want string
	}{
		{arch.NormsRaw, 0, ""},
		{arch.NormsShifted, 1, ""},
		{arch.NormsRaw, 0.3, ""},
		{arch.NormsRaw, 1, "shifted already: 7 of 7"},
		{arch.NormsRaw, -1, "once too often"},
		{arch.NormsPlain, 0.5, "cannot be told"},
	} {
		if got := wrongHeadNorms(around(tt.mean), tt.form); (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s, around %g: %q, want %q", tt.form, tt.mean, got, tt.want)
		}
	}
}
