package write

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qimport/convert/converttest"
	"qimport/convert/encode"
	"qimport/convert/plan"
	"qimport/convert/safetensors"
	"qimport/convert/source"
)

// damagedCopy copies a checkpoint of one shard and lets change alter the bytes of one of its arrays.
func damagedCopy(t *testing.T, dir, array string, change func(data []byte)) string {
	t.Helper()
	to := t.TempDir()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if e.Name() == "model.safetensors" {
			f, err := safetensors.Open(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, x := range f.Header.Tensors {
				if x.Name == array {
					change(b[f.Header.DataStart+x.Begin : f.Header.DataStart+x.End])
					found = true
				}
			}
			f.Close()
			if !found {
				t.Fatalf("there is no array %s", array)
			}
		}
		if err := os.WriteFile(filepath.Join(to, e.Name()), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// zeroed is tensors whose numbers are gone, tiny ones and good ones, and what is said of them.
func TestFindings(t *testing.T) {
	const k, up = "language_model.model.layers.3.self_attn.k_proj", "language_model.model.layers.0.mlp.up_proj"
	small := func(b []byte) { // all alike, too small for a scale of e4m3
		for i := 0; i < len(b); i += 2 {
			binary.LittleEndian.PutUint16(b[i:], 0x3900) // 2^-13
		}
	}
	for name, c := range map[string]struct {
		fixture, array string
		change         func([]byte)
		recipe         string
		want           string // "" for nothing to say
	}{
		"as it was made": {"tiny-qwen3.5-nvfp4", k + ".scales", func([]byte) {}, "ollama keep", ""},
		"K projection of zeros": {"tiny-qwen3.5-nvfp4", k + ".scales", func(b []byte) { clear(b) }, "ollama keep",
			"tensor " + k + ".weight holds nothing but zeros"},
		"a part lost in the source": {"tiny-qwen3.5-nvfp4", k + ".scales", func(b []byte) { clear(b[:len(b)/4]) }, "ollama keep",
			"tensor " + k + ".weight: 25.0% of its nvfp4 groups are lost in the source"},
		"affine of zeros": {"tiny-qwen3.5-4bit", k + ".scales", func(b []byte) { clear(b) }, "ollama keep", ""}, // its biases are left
		"bf16 of zeros":   {"tiny-qwen3.5-bf16", up + ".weight", func(b []byte) { clear(b) }, "ollama mxfp8", "tensor " + up + ".weight holds nothing but zeros"},
		"lost here": {"tiny-qwen3.5-bf16", up + ".weight", func(b []byte) { small(b[:len(b)/2]) }, "ollama nvfp4",
			"tensor " + up + ".weight: 50.0% of its groups are lost in nvfp4"},
		"not lost in mxfp8": {"tiny-qwen3.5-bf16", up + ".weight", func(b []byte) { small(b[:len(b)/2]) }, "ollama mxfp8", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := damagedCopy(t, converttest.SourceDir(t, c.fixture), c.array, c.change)
			src, err := source.OpenDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			p, err := plan.Make(context.Background(), src, converttest.RecipeOf(t, c.recipe), plan.Options{})
			if err != nil {
				t.Fatal(err)
			}
			written := write(t, p, src, t.TempDir(), Options{}).stats.Findings
			looked, err := encode.NewEngine(src, 0, encode.NewMeter(0, nil)).Look(context.Background(), p)
			if err != nil {
				t.Fatal(err)
			}
			for how, got := range map[string][]string{"writing": written, "looking": looked} {
				switch {
				case c.want == "" && len(got) > 0, c.want != "" && len(got) != 1, c.want != "" && !strings.HasPrefix(got[0], c.want):
					t.Errorf("%s says %q, want %q", how, got, c.want)
				}
			}
		})
	}
}
