package source

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"qimport/arch"
	"qimport/quant"
)

// open writes a build and opens it; what Load lends must be sound.
func open(t *testing.T, b *build) *Source {
	t.Helper()
	s, err := OpenDir(b.write(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for _, name := range s.Names() {
		q, err := s.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := q.Validate(); err != nil {
			t.Errorf("tensor %s: %v", name, err)
		}
	}
	return s
}

func TestOpenDirKnowsFamilies(t *testing.T) {
	for _, c := range []struct {
		family    arch.Family
		converted bool
		form      arch.NormForm
	}{
		{arch.Qwen3, release, arch.NormsPlain}, {arch.Qwen3MoE, release, arch.NormsPlain}, {arch.Qwen3MoE, mlx, arch.NormsPlain},
		{arch.Qwen3VLMoE, release, arch.NormsPlain}, {arch.Qwen3VLMoE, mlx, arch.NormsPlain},
		{arch.Qwen3Next, release, arch.NormsRaw}, {arch.Qwen3Next, mlx, arch.NormsShifted},
		{arch.Qwen35, release, arch.NormsRaw}, {arch.Qwen35, mlx, arch.NormsShifted},
		{arch.Qwen35MoE, release, arch.NormsRaw}, {arch.Qwen35MoE, mlx, arch.NormsShifted},
	} {
		t.Run(fmt.Sprintf("%s converted %t", c.family, c.converted), func(t *testing.T) {
			b := newBuild(t, c.family, c.converted)
			b.shards = 2
			s := open(t, b)
			if inv := s.Inventory(); inv.NormForm != c.form || inv.Config.Family != c.family || len(inv.Tensors) != len(b.arrays) {
				t.Errorf("form %s, family %s, %d tensors of %d", inv.NormForm, inv.Config.Family, len(inv.Tensors), len(b.arrays))
			}
		})
	}
}

// Every tensor that a config needs is missed when it is not there.
func TestOpenDirMissesEveryTensor(t *testing.T) {
	for _, family := range arch.Families() {
		t.Run(string(family), func(t *testing.T) {
			whole := newBuild(t, family, release)
			for name := range whole.arrays {
				b := newBuild(t, family, release)
				delete(b.arrays, name)
				_, err := OpenDir(b.write(t))
				if !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), "tensor "+name+" is in no file") {
					t.Errorf("without %s: %v", name, err)
				}
			}
		})
	}
}

func TestOpenDirReadsEncodings(t *testing.T) {
	fp8Blocks := quant.Format{Mode: quant.FP8, Bits: 8, BlockRows: 128, BlockCols: 128}
	for _, c := range []struct {
		name   string
		build  func(t *testing.T) *build
		tensor string // suffix of a name
		format quant.Format
		shape  []int
		global float32
		note   string
	}{
		{"plain f16", func(t *testing.T) *build {
			b := newBuild(t, arch.Qwen35, release)
			b.arrays[b.name("q_proj.weight")] = newArray(quant.F16, 256, 128)
			return b
		}, "q_proj.weight", quant.FormatF16, []int{256, 128}, 0, ""},
		{"entry under another prefix, without mode", func(t *testing.T) *build {
			b := newBuild(t, arch.Qwen35MoE, mlx)
			b.mlxAll(quant.FormatNVFP4)
			b.mlx("layers.0.mlp.gate.weight", quant.FormatInt8)
			b.entry("model.layers.0.mlp.gate", map[string]any{"group_size": 64, "bits": 8})
			return b
		}, "layers.0.mlp.gate.weight", quant.FormatInt8, []int{4, 128}, 0, ""},
		{"entry with group_size null", func(t *testing.T) *build {
			b := newBuild(t, arch.Qwen35, mlx)
			b.mlxAll(quant.FormatInt4)
			name := b.name("v_proj.weight")
			b.arrays[name] = newArray(quant.BF16, 64, 128)
			b.mlx("v_proj.weight", quant.AffineFormat(6, 64))
			b.entry("language_model.model.layers.1.self_attn.v_proj", map[string]any{"group_size": nil, "bits": 6, "mode": "affine"})
			return b
		}, "v_proj.weight", quant.AffineFormat(6, 64), []int{64, 128}, 0, ""},
		{"entry true under a lying-looking neighbour", func(t *testing.T) *build {
			b := newBuild(t, arch.Qwen3, release)
			b.mlxAll(quant.FormatMXFP8)
			b.entry("model.layers.0.self_attn.q_proj", true)
			return b
		}, "layers.0.self_attn.q_proj.weight", quant.FormatMXFP8, []int{128, 128}, 0, ""},
		{"entry false", func(t *testing.T) *build {
			b := newBuild(t, arch.Qwen3, release)
			b.config["quantization"] = map[string]any{"group_size": 64, "bits": 4, "model.layers.0.self_attn.q_proj": false}
			return b
		}, "layers.0.self_attn.q_proj.weight", quant.FormatBF16, []int{128, 128}, 0, ""},
		{"top level without mode", func(t *testing.T) *build {
			b := newBuild(t, arch.Qwen3, release)
			b.mlxAll(quant.FormatInt8)
			b.config["quantization"] = map[string]any{"group_size": 64, "bits": 8}
			return b
		}, "layers.0.self_attn.q_proj.weight", quant.FormatInt8, []int{128, 128}, 0, ""},
		{"only quantization_config", func(t *testing.T) *build {
			b := newBuild(t, arch.Qwen3, release)
			b.mlxAll(quant.FormatInt8)
			b.config["quantization_config"] = b.config["quantization"]
			delete(b.config, "quantization")
			return b
		}, "layers.0.self_attn.q_proj.weight", quant.FormatInt8, []int{128, 128}, 0, ""},
		{"no quantization block", func(t *testing.T) *build {
			b := newBuild(t, arch.Qwen3, release)
			b.mlxAll(quant.AffineFormat(5, 32))
			delete(b.config, "quantization")
			return b
		}, "layers.0.self_attn.q_proj.weight", quant.AffineFormat(5, 32), []int{128, 128}, 0, "their arrays do"},
		{"mlx expert stack with global scales", func(t *testing.T) *build {
			b := newBuild(t, arch.Qwen35MoE, mlx)
			b.mlxAll(quant.FormatNVFP4)
			g := newArray(quant.F32, 4)
			fill(g, func(int) float32 { return 1344 })
			b.arrays["language_model.model.layers.0.mlp.switch_mlp.up_proj.global_scale"] = g
			return b
		}, "layers.0.mlp.switch_mlp.up_proj.weight", quant.FormatNVFP4, []int{4, 128, 128}, 0.5, ""},
		{"block FP8", func(t *testing.T) *build {
			b := newBuild(t, arch.Qwen35, release)
			b.config["quantization_config"] = map[string]any{"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": []int{128, 128}}
			b.blockFP8("q_proj.weight", "_scale_inv", quant.BF16, 2, 1)
			return b
		}, "q_proj.weight", fp8Blocks, []int{256, 128}, 0, ""},
		{"block FP8 in text_config, rows not whole", func(t *testing.T) *build {
			b := newBuild(t, arch.Qwen35, release)
			b.text["quantization_config"] = map[string]any{"quant_method": "fp8", "weight_block_size": []int{128, 128}}
			b.blockFP8("k_proj.weight", "_scale_inv", quant.F32, 1, 1)
			return b
		}, "k_proj.weight", fp8Blocks, []int{64, 128}, 0, ""},
		{"FP8 with one scale", func(t *testing.T) *build {
			b := newBuild(t, arch.Qwen35, release)
			b.config["quantization_config"] = map[string]any{"quant_method": "fp8"}
			b.blockFP8("q_proj.weight", "_scale", quant.F32)
			return b
		}, "q_proj.weight", quant.Format{Mode: quant.FP8, Bits: 8}, []int{256, 128}, 0, ""},
		{"compressed-tensors of several groups", func(t *testing.T) *build {
			b := newBuild(t, arch.Qwen35, release)
			b.config["quantization_config"] = twoGroups()
			b.compressed("q_proj.weight")
			b.blockFP8("layers.1.mlp.down_proj.weight", "_scale", quant.BF16, 128, 1)
			return b
		}, "layers.1.mlp.down_proj.weight", quant.Format{Mode: quant.FP8, Bits: 8, BlockRows: 1}, []int{128, 256}, 0, "1 scales of activations"},
		{"compressed-tensors nvfp4", func(t *testing.T) *build {
			b := newBuild(t, arch.Qwen35, release)
			b.config["quantization_config"] = twoGroups()
			b.compressed("q_proj.weight")
			return b
		}, "q_proj.weight", quant.FormatNVFP4, []int{256, 128}, 0.25, ""},
		{"compressed-tensors mxfp4", func(t *testing.T) *build {
			b := newBuild(t, arch.Qwen35, release)
			b.config["quantization_config"] = groups("mxfp4-pack-quantized", map[string]any{"num_bits": 4, "type": "float", "group_size": 32}, "Linear")
			name := b.name("q_proj.weight")
			delete(b.arrays, name)
			b.arrays[name+"_packed"] = newArray(quant.U8, 256, 64)
			b.arrays[name+"_scale"] = newArray(quant.U8, 256, 4)
			return b
		}, "q_proj.weight", quant.FormatMXFP4, []int{256, 128}, 0, ""},
		{"ModelOpt by its own file", func(t *testing.T) *build {
			b := newBuild(t, arch.Qwen35, release)
			b.files["hf_quant_config.json"] = `{"producer":{"name":"modelopt"},"quantization":{"quant_algo":"NVFP4","group_size":16}}`
			b.modelOpt("q_proj.weight")
			return b
		}, "q_proj.weight", quant.FormatNVFP4, []int{256, 128}, 0.25, "1 scales of activations"},
		{"ModelOpt by config.json", func(t *testing.T) *build {
			b := newBuild(t, arch.Qwen35, release)
			b.config["quantization_config"] = map[string]any{"quant_method": "modelopt", "quant_algo": "NVFP4"}
			b.modelOpt("q_proj.weight")
			return b
		}, "q_proj.weight", quant.FormatNVFP4, []int{256, 128}, 0.25, ""},
		{"experts one by one", func(t *testing.T) *build {
			b := newBuild(t, arch.Qwen35MoE, release)
			b.single()
			return b
		}, "layers.0.mlp.experts.up_proj.weight", quant.FormatBF16, []int{4, 128, 128}, 0, ""},
		{"experts one by one, each with a global scale", func(t *testing.T) *build {
			b := newBuild(t, arch.Qwen35MoE, release)
			b.single()
			b.config["quantization_config"] = map[string]any{"quant_method": "modelopt", "quant_algo": "NVFP4"}
			for e := range 4 {
				b.modelOpt(fmt.Sprintf("layers.0.mlp.experts.%d.up_proj.weight", e))
			}
			return b
		}, "layers.0.mlp.experts.up_proj.weight", quant.FormatNVFP4, []int{4, 128, 128}, 0.25, ""},
		{"tied, with a head", func(t *testing.T) *build {
			b := newBuild(t, arch.Qwen35, release)
			b.text["tie_word_embeddings"] = true
			return b
		}, "embed_tokens.weight", quant.FormatBF16, []int{32, 128}, 0, "lm_head.weight is left out"},
		{"no tokenizer", func(t *testing.T) *build {
			b := newBuild(t, arch.Qwen35, release)
			b.files = nil
			return b
		}, "embed_tokens.weight", quant.FormatBF16, []int{32, 128}, 0, "no tokenizer.json"},
		{"mtp tensors beside converted norms", func(t *testing.T) *build {
			b := newBuild(t, arch.Qwen35, mlx)
			b.arrays["mtp.norm.weight"] = newArray(quant.BF16, 128)
			return b
		}, "mtp.norm.weight", quant.FormatBF16, []int{128}, 0, "mtp head is not whole"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, c.build(t))
			i := slices.IndexFunc(s.Names(), func(n string) bool { return strings.HasSuffix(n, c.tensor) })
			if i < 0 {
				t.Fatalf("no tensor %s", c.tensor)
			}
			got := s.Inventory().Tensors[i]
			if got.Format != c.format || !slices.Equal(got.Shape, c.shape) {
				t.Errorf("%s is %s %v, want %s %v", got.Name, got.Format, got.Shape, c.format, c.shape)
			}
			q, err := s.Load(got.Name)
			if err != nil || len(q.Global) > 0 != (c.global != 0) || slices.ContainsFunc(q.Global, func(g float32) bool { return g != c.global }) {
				t.Errorf("global scales %v, want %g; %v", q.Global, c.global, err)
			}
			if notes := strings.Join(s.Inventory().Notes, "; "); !strings.Contains(notes, c.note) {
				t.Errorf("notes %q do not say %q", notes, c.note)
			}
		})
	}
}

// groups is a compressed-tensors block of one group.
func groups(format string, weights map[string]any, targets ...string) map[string]any {
	return map[string]any{"quant_method": "compressed-tensors", "format": format,
		"config_groups": map[string]any{"group_0": map[string]any{"weights": weights, "targets": targets}}}
}

// twoGroups is nvfp4 for every Linear but down_proj, which is FP8 by channel.
func twoGroups() map[string]any {
	block := groups("mixed-precision", map[string]any{"num_bits": 4, "type": "float", "group_size": 16}, "Linear")
	list := block["config_groups"].(map[string]any)
	list["group_0"].(map[string]any)["format"] = "nvfp4-pack-quantized"
	list["group_1"] = map[string]any{"format": "float-quantized", "targets": []string{`re:.*\.down_proj$`},
		"weights": map[string]any{"num_bits": 8, "type": "float", "strategy": "channel"}}
	return block
}

// Every width and group of MLX is told from every other, by config and by arrays.
func TestOpenDirReadsEveryMLXFormat(t *testing.T) {
	for _, f := range mlxFormats() {
		for _, said := range []bool{true, false} {
			b := newBuild(t, arch.Qwen35MoE, mlx)
			b.mlxAll(f)
			if !said {
				delete(b.config, "quantization")
			}
			for _, tensor := range open(t, b).Inventory().Tensors {
				if tensor.Role == arch.Linear && tensor.Format != f || tensor.Role == arch.Norm && tensor.Format != quant.FormatBF16 {
					t.Errorf("%s, said %t: tensor %s is %s", f, said, tensor.Name, tensor.Format)
				}
			}
		}
	}
}
