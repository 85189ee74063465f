package qimport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qimport/arch"
	"qimport/convert/plan"
	"qimport/convert/safetensors"
	"qimport/convert/source"
	"qimport/manifest"
	"qimport/quant"
	"qimport/runtime"
	"qimport/runtime/mlx"
	"qimport/verify/cost"
)

// withHead copies the small dense model, which is in mlx form, and puts a random multi-token-prediction
// head beside it, whose norms lie around that.
func withHead(t *testing.T, file string, around float64) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "headed")
	if err := os.CopyFS(dir, os.DirFS(dense)); err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(filepath.Join(dense, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := arch.ParseConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	var entries []safetensors.Tensor
	for body, shapes := range c.Expected() {
		if arch.IsMTP(body) {
			entries = append(entries, safetensors.Tensor{Name: body, Dtype: quant.BF16, Shape: shapes[0]})
		}
	}
	h, err := safetensors.New(nil, entries)
	if err != nil {
		t.Fatal(err)
	}
	r, data := rand.New(rand.NewPCG(5, 6)), make([]byte, h.DataBytes())
	for _, e := range h.Tensors {
		values := make([]float32, quant.Elements(e.Shape))
		for i := range values {
			if values[i] = float32(0.1 * r.NormFloat64()); arch.ZeroCentred(e.Name) {
				values[i] += float32(around)
			}
		}
		if err := quant.FromFloat32(data[e.Begin:e.End], quant.BF16, values); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, file), append(h.Append(nil), data...), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// reopened is what a store has of an import of ours, open.
func reopened(t *testing.T, o ImportOptions) (*source.Source, Stores) {
	t.Helper()
	store := openStore(t, t.TempDir())
	if _, err := Import(t.Context(), store, o); err != nil {
		t.Fatal(err)
	}
	stores := func() (*manifest.Store, error) { return store, nil }
	m, err := Find(stores, "m")
	if err != nil {
		t.Fatal(err)
	}
	src, err := m.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close() })
	return src, stores
}

// gains is what a norm multiplies by.
func gains(t *testing.T, src *source.Source, body string, form arch.NormForm) []float32 {
	t.Helper()
	values := valuesOf(t, src, body)
	if form == arch.NormsRaw && arch.ZeroCentred(body) {
		for i := range values {
			values[i]++
		}
	}
	return values
}

// TestHeadBesideConvertedBody: a head beside a converted body is kept, whichever form it has itself. By
// Ollama's rule, which adds 1 to every norm of a model with a tensor called mtp., all gains come out as
// the source has them, to the bit; the head's are those of its own form.
func TestHeadBesideConvertedBody(t *testing.T) {
	for form, around := range map[arch.NormForm]float64{arch.NormsRaw: 0, arch.NormsShifted: 1} {
		t.Run(form.String(), func(t *testing.T) {
			dir := withHead(t, "mtp.safetensors", around)
			src, err := source.OpenDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			if got := src.Inventory().HeadForm; got != form || src.NormForm() != arch.NormsShifted {
				t.Fatalf("the head is %s, the body %s", got, src.NormForm())
			}
			stored, _ := reopened(t, unverified(dir, quant.Format{}))
			inv := stored.Inventory()
			if inv.NormForm != arch.NormsRaw || inv.HeadForm != arch.NormsRaw || !inv.HasHead() {
				t.Errorf("stored: norms %s, head %s", inv.NormForm, inv.HeadForm)
			}
			for _, tensor := range inv.Tensors {
				switch {
				case tensor.MTP && !strings.HasPrefix(tensor.Name, "mtp."):
					t.Errorf("%s: Ollama knows no such name", tensor.Name)
				case tensor.Role == arch.Conv && tensor.Shape[1] != 1:
					t.Errorf("%s is %v", tensor.Name, tensor.Shape)
				case tensor.Role == arch.Norm:
					was := arch.NormsShifted
					if tensor.MTP {
						was = form
					}
					if !slices.Equal(gains(t, stored, tensor.Body, arch.NormsRaw), gains(t, src, tensor.Body, was)) {
						t.Errorf("%s has other gains than in the source", tensor.Name)
					}
				}
			}
			errs, err := cost.Tensors(t.Context(), stored, src)
			if err != nil || errs[0].Error != 0 {
				t.Errorf("tensors differ: %+v, %v", errs[:min(1, len(errs))], err)
			}
		})
	}
}

// TestHeadKeepsLogits: the model computes what it computed, to the bit.
func TestHeadKeepsLogits(t *testing.T) {
	needMLX(t)
	_, stores := reopened(t, unverified(withHead(t, "model-mtp.safetensors", 0), quant.Format{}))
	var rows [2][][]float32
	for i, named := range []string{dense, "m"} {
		found, err := Find(stores, named)
		if i == 0 {
			found, err = Find(stores, "./"+dense)
		}
		if err != nil {
			t.Fatal(err)
		}
		m, err := Load(t.Context(), found, runtime.Options{Device: mlx.CPU, Compute: runtime.F32})
		if err != nil {
			t.Fatal(err)
		}
		x := m.NewSession()
		err = x.Score(t.Context(), []int{5, 6, 7, 100, 200, 300, 9, 10, 11, 12}, func(_ int, logits []float32) error {
			rows[i] = append(rows[i], slices.Clone(logits))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		x.Close()
		m.Close()
	}
	for at := range rows[0] {
		if !slices.Equal(rows[0][at], rows[1][at]) {
			t.Errorf("position %d has other logits", at)
		}
	}
}

// TestHeadFrom: a head comes from another source of the same model only, and is told apart from one that
// is there.
func TestHeadFrom(t *testing.T) {
	headed := withHead(t, "mtp.safetensors", 0)
	o := unverified(dense, quant.Format{})
	o.Plan.MTPFrom = headed
	stored, _ := reopened(t, o)
	if n := len(stored.Inventory().Tensors); !stored.Inventory().HasHead() || stored.NormForm() != arch.NormsRaw {
		t.Errorf("%d tensors, norms %s", n, stored.NormForm())
	}
	for _, tt := range []struct{ source, from, says string }{
		{headed, headed, "has a multi-token-prediction head of its own"},
		{dense, dense, "has no multi-token-prediction head"},
		{moe, headed, "is another model: it is qwen3_5 with 1088 tokens"},
		{dense, "testdata/none", "--mtp-from"},
	} {
		o := unverified(tt.source, quant.Format{})
		o.Plan.MTPFrom = tt.from
		if _, err := Plan(t.Context(), openStore(t, t.TempDir()), o); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s from %s: %v", tt.source, tt.from, err)
		}
	}
	// Other tokens, though as many.
	other := withHead(t, "mtp.safetensors", 0)
	path := filepath.Join(other, "tokenizer.json")
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, []byte(strings.Replace(string(b), `"content": "<|im_start|>"`, `"content": "<|im_begin|>"`, 1)), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	o.Plan.MTPFrom = other
	if _, err := Plan(t.Context(), openStore(t, t.TempDir()), o); err == nil || !strings.Contains(err.Error(), "another vocabulary") {
		t.Error(err)
	}
}

// TestHeadIsLeftOut: on demand, and where nothing tells its form; then a demand for it is refused.
func TestHeadIsLeftOut(t *testing.T) {
	for _, tt := range []struct {
		around float64
		mtp    plan.MTP
		kept   bool
		err    error
	}{{0, plan.MTPDrop, false, nil}, {0.5, plan.MTPAuto, false, nil}, {0.5, plan.MTPKeep, false, source.ErrSource}, {1, plan.MTPKeep, true, nil}} {
		o := unverified(withHead(t, "mtp.safetensors", tt.around), quant.Format{})
		o.Plan.MTP = tt.mtp
		p, err := Plan(t.Context(), openStore(t, t.TempDir()), o)
		if !errors.Is(err, tt.err) || tt.err == nil && (len(p.Dropped) == 0) != tt.kept {
			t.Errorf("%s: %v, %d tensors are left out", fmt.Sprint(tt.around, tt.mtp), err, len(p.Dropped))
		}
	}
}
