package source

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qimport/arch"
)

// withoutConv is a hybrid model whose layers are all full attention, with norms around center.
func withoutConv(t *testing.T, family arch.Family, converted bool, center float32) *build {
	t.Helper()
	b := newBuild(t, family, converted)
	b.text["layer_types"] = []string{"full_attention", "full_attention"}
	b.fillArrays(t, family, converted)
	for name, a := range b.arrays {
		if arch.ZeroCentred(arch.Body(name)) {
			fill(a, func(i int) float32 { return center + float32(i%5-2)*0.125 })
		}
	}
	return b
}

// Where no conv1d tells the form of the norms, their own values do, whatever the names say; names
// and metadata only where the values are neither.
func TestNormFormWithoutConv(t *testing.T) {
	for _, c := range []struct {
		name      string
		family    arch.Family
		converted bool    // names
		center    float32 // of the norms
		metadata  string
		want      arch.NormForm // NormsPlain: refused
		says      string
	}{
		{"release", arch.Qwen35, release, 0, "", arch.NormsRaw, ""},
		{"mlx", arch.Qwen35, mlx, 1, "mlx", arch.NormsShifted, ""},
		{"mlx norms under a release's names", arch.Qwen35, release, 1, "pt", arch.NormsShifted, ""},
		{"release norms under mlx's names", arch.Qwen35, mlx, 0, "mlx", arch.NormsRaw, ""},
		{"trained far from 0", arch.Qwen3Next, release, 0.3, "", arch.NormsRaw, ""},
		{"neither, named as in a release", arch.Qwen35, release, 0.5, "", arch.NormsRaw, ""},
		{"neither, named as MLX has it", arch.Qwen35, mlx, 0.5, "", arch.NormsShifted, ""},
		{"neither, experts as MLX has them", arch.Qwen3Next, mlx, 0.5, "", arch.NormsShifted, ""},
		{"neither, experts as in a release", arch.Qwen3Next, release, 0.5, "", arch.NormsRaw, ""},
		{"neither, and signs of both", arch.Qwen35, release, 0.5, "mlx", arch.NormsPlain, "and model.language_model.embed_tokens.weight is named as in a release, but model.safetensors has the metadata of MLX"},
		{"shifted twice", arch.Qwen35, mlx, 2, "", arch.NormsPlain, "shifted twice"},
		{"far from everything, named as in a release", arch.Qwen35, release, 5, "", arch.NormsRaw, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := withoutConv(t, c.family, c.converted, c.center)
			dir := b.write(t)
			if c.metadata != "" {
				blob := b.blob(t, map[string]string{"format": c.metadata}, slices.Sorted(maps.Keys(b.arrays)))
				if err := os.WriteFile(filepath.Join(dir, "model.safetensors"), blob, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			s, err := OpenDir(dir)
			if c.want == arch.NormsPlain {
				if !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("got %v, want %q", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if s.NormForm() != c.want {
				t.Errorf("the norms are %s, want %s", s.NormForm(), c.want)
			}
		})
	}
}

// A flat family without experts in a form of its own has no signs at all.
func TestNormFormUnknown(t *testing.T) {
	b := withoutConv(t, arch.Qwen3Next, release, 0.5)
	b.text["mlp_only_layers"] = []int{0, 1}
	b.fillArrays(t, arch.Qwen3Next, release)
	for name, a := range b.arrays {
		if arch.ZeroCentred(arch.Body(name)) {
			fill(a, func(int) float32 { return 0.5 })
		}
	}
	_, err := OpenDir(b.write(t))
	if !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), "of 9 norms 0 have means around 0 and 0 around 1, and neither names nor metadata") {
		t.Errorf("got %v", err)
	}
}
