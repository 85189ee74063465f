package runtime_test

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qimport/arch"
	"qimport/convert/source"
	"qimport/quant"
	"qimport/runtime"
	"qimport/runtime/mlx"
	"qimport/runtime/model"
	"qimport/runtime/runtimetest"
)

// headReference is what transformers' modules say of a checkpoint's head: of every place but the last, the
// five likeliest tokens after the next one.
type headReference struct {
	IDs    []int          `json:"ids"`
	Top5   [][][2]float64 `json:"top5"`
	Agrees float64        `json:"agrees"`
}

func readHead(t *testing.T, name string) headReference {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(runtimetest.Folder(t), name+".reference.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r struct{ MTP headReference }
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	return r.MTP
}

// logProbability is that of a token.
func logProbability(logits []float32, id int) float64 {
	top, sum := float64(slices.Max(logits)), 0.0
	for _, l := range logits {
		sum += math.Exp(float64(l) - top)
	}
	return float64(logits[id]) - top - math.Log(sum)
}

// TestHeadReference holds the head, dense and of experts, to its reference: what it says, how likely it
// holds it, and how often it says the token that follows.
func TestHeadReference(t *testing.T) {
	for _, name := range []string{"tiny-qwen3.5-vl", "tiny-qwen3.5-vl-moe"} {
		r := readHead(t, name)
		for _, compute := range []runtime.Compute{runtime.F32, runtime.Quantized} {
			t.Run(name+"/"+compute.String(), func(t *testing.T) {
				m := load(t, openDir(t, filepath.Join(runtimetest.Folder(t), name)), runtime.Options{Compute: compute, Device: mlx.CPU})
				if err := m.LoadHead(t.Context()); err != nil {
					t.Fatal(err)
				}
				worst, agrees, places := 0.0, 0, 0
				err := m.ScoreHead(t.Context(), r.IDs, func(place int, _, head []float32) error {
					places++
					for _, want := range r.Top5[place] {
						worst = max(worst, math.Abs(logProbability(head, int(want[0]))-want[1]))
					}
					if head[r.IDs[place+2]] == slices.Max(head) {
						agrees++
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				if places != len(r.IDs)-2 || worst > 1e-4 || math.Abs(float64(agrees)/float64(places)-r.Agrees) > 1e-6 {
					t.Errorf("%d places; log-probabilities are off by up to %.2g; %d agree, want %.4f of them", places, worst, agrees, r.Agrees)
				}
				t.Logf("off by up to %.2g, %d of %d agree", worst, agrees, places)
			})
		}
	}
}

// TestHeadOverSlices: a text longer than a slice is the same to the head as its beginning alone, at the
// places that both have.
func TestHeadOverSlices(t *testing.T) {
	r := readHead(t, "tiny-qwen3.5-vl")
	m := load(t, openDir(t, filepath.Join(runtimetest.Folder(t), "tiny-qwen3.5-vl")), runtime.Options{Device: mlx.CPU})
	if err := m.LoadHead(t.Context()); err != nil {
		t.Fatal(err)
	}
	long := slices.Repeat(r.IDs, 9) // of two slices and more
	for _, n := range []int{runtime.SliceTokens - 1, runtime.SliceTokens, runtime.SliceTokens + 1, runtime.SliceTokens + 2, len(long)} {
		var of [2][][]float32
		for i, text := range [][]int{long, long[:n]} {
			err := m.ScoreHead(t.Context(), text, func(place int, _, head []float32) error {
				if place != len(of[i]) {
					t.Fatalf("place %d comes after %d", place, len(of[i])-1)
				}
				of[i] = append(of[i], head)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if len(of[1]) != n-2 {
			t.Fatalf("%d tokens: %d places", n, len(of[1]))
		}
		for place, row := range of[1] {
			for id, l := range row {
				if math.Abs(float64(l-of[0][place][id])) > 1e-3 {
					t.Fatalf("%d tokens: place %d has %g for token %d, the longer text %g", n, place, l, id, of[0][place][id])
				}
			}
		}
	}
}

// converted is a checkpoint of the release's form with the text model in MLX's form, and the head in either.
// Norms are in float32, where nothing of them is lost.
type converted struct {
	*source.Source
	head arch.NormForm
}

func (converted) NormForm() arch.NormForm   { return arch.NormsShifted }
func (w converted) HeadForm() arch.NormForm { return w.head }

func (w converted) Pieces(name string) ([]quant.Tensor, error) {
	body := arch.Body(name)
	form := arch.NormsShifted
	if arch.IsMTP(body) {
		form = w.head
	}
	switch {
	case strings.HasSuffix(name, "conv1d.weight"):
		t, err := w.Load(name)
		t.Shape = []int{t.Shape[0], t.Shape[2], 1}
		return []quant.Tensor{t}, err
	case !arch.ZeroCentred(body) || form == arch.NormsRaw:
		return w.Source.Pieces(name)
	}
	t, err := w.Load(name)
	if err != nil {
		return nil, err
	}
	f := make([]float32, quant.Elements(t.Shape))
	if err := t.Decode(f, 0); err != nil {
		return nil, err
	}
	for i := range f {
		f[i]++
	}
	out := quant.Tensor{Shape: t.Shape, Format: quant.FormatF32, Data: make([]byte, 4*len(f))}
	return []quant.Tensor{out}, quant.FromFloat32(out.Data, quant.F32, f)
}

// TestHeadBesideConverted: beside a converted text model, a head in either form says what it says in the
// release.
func TestHeadBesideConverted(t *testing.T) {
	const name = "tiny-qwen3.5-vl-moe"
	r := readHead(t, name)
	rows := func(w runtime.Weights) (all [][]float32) {
		m := load(t, w, runtime.Options{Device: mlx.CPU})
		if err := m.LoadHead(t.Context()); err != nil {
			t.Fatal(err)
		}
		err := m.ScoreHead(t.Context(), r.IDs, func(_ int, _, head []float32) error {
			all = append(all, head)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	dir := filepath.Join(runtimetest.Folder(t), name)
	want := rows(openDir(t, dir))
	for _, form := range []arch.NormForm{arch.NormsRaw, arch.NormsShifted} {
		got := rows(converted{openDir(t, dir), form})
		for place, row := range got {
			for id, l := range row {
				if math.Abs(float64(l-want[place][id])) > 1e-4 {
					t.Fatalf("head %s: place %d has %g for token %d, in the release %g", form, place, l, id, want[place][id])
				}
			}
		}
	}
	m := load(t, converted{openDir(t, dir), arch.NormsPlain}, runtime.Options{Device: mlx.CPU})
	if err := m.LoadHead(t.Context()); !errors.Is(err, model.ErrTensors) || !strings.Contains(err.Error(), "cannot be told") {
		t.Errorf("a head of no form: %v", err)
	}
}

// TestNoHead refuses a model without.
func TestNoHead(t *testing.T) {
	m := small(t, runtime.Options{})
	if err := m.LoadHead(t.Context()); !errors.Is(err, model.ErrNoHead) {
		t.Errorf("got %v", err)
	}
}
