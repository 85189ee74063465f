package qimport

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qimport/convert/adapter"
	"qimport/convert/safetensors"
	"qimport/manifest"
	"qimport/quant"
	"qimport/verify"
	"qimport/verify/report"
)

// smallAdapter writes an adapter of mlx-lm's for the small dense model, with seeded values of that size.
func smallAdapter(t *testing.T, size float64) string {
	t.Helper()
	const rank = 4
	shapes := map[string][2]int{"self_attn.q_proj": {512, 256}, "self_attn.o_proj": {256, 256}, "mlp.down_proj": {256, 512}}
	var entries []safetensors.Tensor
	for module, s := range shapes {
		path := "language_model.model.layers.3." + module
		entries = append(entries, safetensors.Tensor{Name: path + ".lora_a", Dtype: quant.F32, Shape: []int{s[1], rank}},
			safetensors.Tensor{Name: path + ".lora_b", Dtype: quant.F32, Shape: []int{rank, s[0]}})
	}
	h, err := safetensors.New(nil, entries)
	if err != nil {
		t.Fatal(err)
	}
	r, values := rand.New(rand.NewPCG(1, 2)), make([]float32, h.DataBytes()/4)
	for i := range values {
		values[i] = float32(size * r.NormFloat64())
	}
	config, err := json.Marshal(map[string]any{"fine_tune_type": "lora", "num_layers": 8, "lora_parameters": map[string]any{"rank": rank, "scale": 2.0}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	err = errors.Join(os.WriteFile(filepath.Join(dir, "adapter_config.json"), config, 0o644),
		os.WriteFile(filepath.Join(dir, "adapters.safetensors"), append(h.Append(nil), quant.Float32s(values).Data...), 0o644))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// qualityFails lists the checks of a quality verification that said no. What a model answers is not the
// adapter's business.
func qualityFails(r report.Report) (failed []string) {
	for _, c := range r.Checks {
		if strings.HasPrefix(c.Name, "quality.") && c.Passed != report.Passed {
			failed = append(failed, c.Name+": "+c.Detail)
		}
	}
	return failed
}

// TestImportAdapter: an import with an adapter is held to the source with the same adapter, from which
// the source alone is told apart; the verdict names the adapter.
func TestImportAdapter(t *testing.T) {
	needMLX(t)
	dir, store := smallAdapter(t, 0.15), openStore(t, t.TempDir())
	o := unverified(dense, quant.Format{})
	o.Plan.Adapters = []adapter.Spec{{Dir: dir, Scale: 0.5}}
	if _, err := Import(t.Context(), store, o); err != nil {
		t.Fatal(err)
	}
	stores := func() (*manifest.Store, error) { return store, nil }
	checks := verify.Options{Level: report.Quality, TextTokens: 64, Lengths: []int{1}}
	for _, tt := range []struct {
		adapters []string
		passes   bool
	}{{[]string{dir + "=0.5"}, true}, {[]string{dir}, false}, {nil, false}} {
		r, err := Verify(t.Context(), stores, "m", VerifyOptions{Against: dense, Adapters: tt.adapters, Checks: checks})
		if err != nil {
			t.Fatal(err)
		}
		if failed := qualityFails(r); len(failed) == 0 != tt.passes {
			t.Errorf("against the source with %v: %v", tt.adapters, failed)
		}
	}
	o.Checks = checks
	r, err := Import(t.Context(), store, o)
	if err != nil && !errors.Is(err, ErrRefused) {
		t.Fatal(err)
	}
	if failed := qualityFails(*r.Verification); len(failed) > 0 {
		t.Error(failed)
	}
	if a := r.Verification.Provenance.Adapters; len(a) != 1 || a[0].Scale != 0.5 || len(a[0].SHA256) != 64 {
		t.Errorf("provenance: %+v", a)
	}
}
