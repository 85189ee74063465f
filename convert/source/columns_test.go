package source

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"qimport/arch"
	"qimport/quant"
)

// gptq packs "….weight" as GPTQ does, with groups of 32 and every stored zero point zero-less-one's 7.
func (b *build) gptq(suffix string, bits int) (path string) {
	path, shape := b.unpackName(suffix)
	rows, cols := shape[0], shape[1]
	b.arrays[path+".qweight"] = newArray(quant.I32, cols*bits/32, rows)
	b.arrays[path+".qzeros"] = newArray(quant.I32, cols/32, rows*bits/32)
	b.arrays[path+".scales"] = newArray(quant.F16, cols/32, rows)
	b.arrays[path+".g_idx"] = newArray(quant.I32, cols)
	fillBytes(b.arrays[path+".qzeros"], 0x77)
	for k := range cols {
		b.setGroup(path, k, k/32)
	}
	return path
}

func (b *build) awq(suffix string) (path string) {
	path, shape := b.unpackName(suffix)
	rows, cols := shape[0], shape[1]
	b.arrays[path+".qweight"] = newArray(quant.I32, cols, rows/8)
	b.arrays[path+".qzeros"] = newArray(quant.I32, cols/64, rows/8)
	b.arrays[path+".scales"] = newArray(quant.F16, cols/64, rows)
	return path
}

func (b *build) unpackName(suffix string) (path string, shape []int) {
	name := b.name(suffix)
	shape = b.arrays[name].shape
	delete(b.arrays, name)
	return strings.TrimSuffix(name, ".weight"), shape
}

func (b *build) setGroup(path string, input, group int) { b.putGroup(path+".g_idx", input, group) }

func (b *build) putGroup(name string, input, group int) {
	binary.LittleEndian.PutUint32(b.arrays[name].data[4*input:], uint32(group))
}

func fillBytes(a arrayData, v byte) {
	for i := range a.data {
		a.data[i] = v
	}
}

func quantConfig(words ...any) map[string]any {
	o := map[string]any{}
	for i := 0; i < len(words); i += 2 {
		o[words[i].(string)] = words[i+1]
	}
	return o
}

const layer0 = "layers.0.self_attn."

func TestColumnsClassified(t *testing.T) {
	gptq := func(bits int, words ...any) func(b *build) {
		return func(b *build) {
			b.gptq(layer0+"q_proj.weight", bits)
			if words != nil {
				b.config["quantization_config"] = quantConfig(words...)
			}
		}
	}
	awq := func(words ...any) func(b *build) {
		return func(b *build) {
			b.awq(layer0 + "q_proj.weight")
			if words != nil {
				b.config["quantization_config"] = quantConfig(words...)
			}
		}
	}
	for name, c := range map[string]struct {
		change  func(b *build)
		want    quant.Format
		ordered bool
	}{
		"gptq":                   {gptq(4, "quant_method", "gptq", "bits", 4, "sym", true), quant.Format{Mode: quant.GPTQ, Bits: 4, GroupSize: 32}, false},
		"gptq v2":                {gptq(4, "quant_method", "gptq", "checkpoint_format", "gptq_v2"), quant.Format{Mode: quant.GPTQ2, Bits: 4, GroupSize: 32}, false},
		"gptq, 3 bits":           {gptq(3, "quant_method", "gptq", "bits", 3), quant.Format{Mode: quant.GPTQ, Bits: 3, GroupSize: 32}, false},
		"gptq in planes":         {gptq(5, "quant_method", "gptq", "bits", 5, "checkpoint_format", "gptq_p"), quant.Format{Mode: quant.GPTQP, Bits: 5, GroupSize: 32}, false},
		"gptq in planes, 3 bits": {gptq(3, "quant_method", "gptq", "format", "gptq_p"), quant.Format{Mode: quant.GPTQP, Bits: 3, GroupSize: 32}, false},
		"gptq in one plane":      {gptq(4, "quant_method", "gptq", "bits", 4, "format", "gptq_p"), quant.Format{Mode: quant.GPTQ2, Bits: 4, GroupSize: 32}, false},
		"gptq, mixed":            {gptq(8, "quant_method", "gptq", "bits", 4, "dynamic", map[string]any{}), quant.Format{Mode: quant.GPTQ, Bits: 8, GroupSize: 32}, false},
		"gptq by content":        {gptq(4), quant.Format{Mode: quant.GPTQ, Bits: 4, GroupSize: 32}, false},
		"awq":                    {awq("quant_method", "awq", "bits", 4, "zero_point", true, "version", "gemm"), quant.Format{Mode: quant.AWQ, Bits: 4, GroupSize: 64}, false},
		"awq by content":         {awq(), quant.Format{Mode: quant.AWQ, Bits: 4, GroupSize: 64}, false},
		"auto-round":             {gptq(4, "quant_method", "auto-round", "packing_format", "auto_round:auto_gptq"), quant.Format{Mode: quant.GPTQ, Bits: 4, GroupSize: 32}, false},
		"auto-round, older":      {gptq(4, "quant_method", "intel/auto-round", "backend", "auto_round:gptq:exllamav2"), quant.Format{Mode: quant.GPTQ, Bits: 4, GroupSize: 32}, false},
		"auto-round, own":        {gptq(7, "quant_method", "auto-round", "packing_format", "auto_round"), quant.Format{Mode: quant.GPTQ2, Bits: 7, GroupSize: 32}, false},
		"auto-round as awq":      {awq("quant_method", "auto-round", "packing_format", "auto_round:auto_awq"), quant.Format{Mode: quant.AWQ, Bits: 4, GroupSize: 64}, false},
		"gptq v2 by content": {func(b *build) {
			fillBytes(b.arrays[b.gptq(layer0+"q_proj.weight", 4)+".qzeros"], 0x88)
		}, quant.Format{Mode: quant.GPTQ2, Bits: 4, GroupSize: 32}, false},
		"gptq by its own file": {func(b *build) {
			b.gptq(layer0+"q_proj.weight", 4)
			b.files["quantize_config.json"] = `{"bits":4,"checkpoint_format":"gptq_v2","sym":false}`
		}, quant.Format{Mode: quant.GPTQ2, Bits: 4, GroupSize: 32}, false},
		"act order": {func(b *build) {
			b.setGroup(b.gptq(layer0+"q_proj.weight", 4), 5, 3)
		}, quant.Format{Mode: quant.GPTQ, Bits: 4, GroupSize: 32}, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBuild(t, arch.Qwen3, release)
			c.change(b)
			s, err := OpenDir(b.write(t))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			inv := s.Inventory()
			x, ok := inv.Tensor("model.layers.0.self_attn.q_proj.weight")
			if !ok || x.Format != c.want || !slices.Equal(x.Shape, []int{128, 128}) || x.Pieces[0].Order.Exists() != c.ordered {
				t.Errorf("got %s %v, ordered %t", x.Format, x.Shape, x.Pieces[0].Order.Exists())
			}
			q, err := s.Load(x.Name)
			if err != nil || q.Validate() != nil {
				t.Errorf("loading: %v, %v", err, q.Validate())
			}
		})
	}
}

func TestColumnsRefused(t *testing.T) {
	q := "model." + layer0 + "q_proj"
	for name, c := range map[string]struct {
		change func(b *build)
		want   []string
	}{
		"no zero points": {func(b *build) { delete(b.arrays, b.gptq(layer0+"q_proj.weight", 4)+".qzeros") }, []string{q, "qzeros, are missing"}},
		"no scales":      {func(b *build) { delete(b.arrays, b.gptq(layer0+"q_proj.weight", 4)+".scales") }, []string{q, "its scales are nothing"}},
		"codes alone":    {func(b *build) { b.gptq(layer0+"q_proj.weight", 4); delete(b.arrays, q+".qweight") }, []string{q, "but it has scales"}},
		"group out of range": {func(b *build) { b.setGroup(b.gptq(layer0+"q_proj.weight", 4), 9, 4) },
			[]string{q + ".g_idx", "input 9 is of group 4, where there are 4"}},
		"group negative": {func(b *build) { b.setGroup(b.gptq(layer0+"q_proj.weight", 4), 9, -1) }, []string{q + ".g_idx", "group -1"}},
		"groups that do not divide": {func(b *build) {
			b.gptq(layer0+"q_proj.weight", 4)
			b.arrays[q+".scales"] = newArray(quant.F16, 3, 128)
			b.arrays[q+".qzeros"] = newArray(quant.I32, 3, 16)
		}, []string{q, "F16 [3 128]", "whole groups"}},
		"no groups": {func(b *build) {
			b.gptq(layer0+"q_proj.weight", 4)
			b.arrays[q+".scales"] = newArray(quant.F16, 0, 128)
		}, []string{q, "whole groups"}},
		"codes of another shape": {func(b *build) {
			b.gptq(layer0+"q_proj.weight", 4)
			b.arrays[q+".qweight"] = newArray(quant.I32, 16, 64)
		}, []string{q, "neither those of GPTQ nor of AWQ"}},
		"zero points of another shape": {func(b *build) {
			b.gptq(layer0+"q_proj.weight", 4)
			b.arrays[q+".qzeros"] = newArray(quant.I32, 4, 8)
		}, []string{q, "zero points are I32 [4 8]"}},
		"bits that the config denies": {func(b *build) {
			b.gptq(layer0+"q_proj.weight", 4)
			b.config["quantization_config"] = quantConfig("quant_method", "gptq", "bits", 8)
		}, []string{q, "says 8 bits", "have 4"}},
		"AWQ that is GPTQ": {func(b *build) {
			b.gptq(layer0+"q_proj.weight", 4)
			b.config["quantization_config"] = quantConfig("quant_method", "awq")
		}, []string{q, "as gptq has them", "quant_method awq"}},
		"GPTQ of 5 bits": {func(b *build) {
			b.gptq(layer0+"q_proj.weight", 5)
			b.config["quantization_config"] = quantConfig("quant_method", "gptq", "bits", 5)
		}, []string{q, "packing of 5 bits"}},
		"marlin": {func(b *build) {
			b.config["quantization_config"] = quantConfig("quant_method", "gptq", "format", "marlin")
		}, []string{"marlin", "gptq_v2"}},
		"gemv": {func(b *build) {
			b.config["quantization_config"] = quantConfig("quant_method", "awq", "version", "gemv")
		}, []string{"gemv", "gemm"}},
		"AWQ without zero points": {func(b *build) {
			b.config["quantization_config"] = quantConfig("quant_method", "awq", "zero_point", false)
		}, []string{"zero_point"}},
		"AutoRound of floats": {func(b *build) {
			b.config["quantization_config"] = quantConfig("quant_method", "auto-round", "data_type", "mx_fp")
		}, []string{"mx_fp"}},
		"AutoRound with rotations": {func(b *build) {
			b.config["quantization_config"] = quantConfig("quant_method", "auto-round", "rotation_config", map[string]any{})
		}, []string{"rotations"}},
		"v2 that says it is v1": {func(b *build) {
			fillBytes(b.arrays[b.gptq(layer0+"q_proj.weight", 4)+".qzeros"], 0x88)
			b.config["quantization_config"] = quantConfig("quant_method", "gptq", "sym", true)
		}, []string{q, "symmetric", "checkpoint_format"}},
		"nobody says which version": {func(b *build) {
			fillBytes(b.arrays[b.gptq(layer0+"q_proj.weight", 4)+".qzeros"], 0x53)
		}, []string{q, "nothing tells which", "quantize_config.json"}},
		"GPTQ in an MLX checkpoint": {func(b *build) {
			b.gptq(layer0+"q_proj.weight", 4)
			b.config["quantization"] = quantConfig("bits", 4, "group_size", 64)
		}, []string{q, "the config says mlx"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBuild(t, arch.Qwen3, release)
			c.change(b)
			mustRefuse(t, b.write(t), c.want)
		})
	}
}

// What stands beside a layer changes what it says; what stands alone is listed.
func TestBesideRefused(t *testing.T) {
	down := "model.layers.1.mlp.down_proj"
	for name, want := range map[string]string{
		down + ".R4_input.weight":                      "rotation",
		down + ".weight.absmax":                        "bitsandbytes",
		down + ".weight.quant_state.bitsandbytes__nf4": "bitsandbytes",
		down + ".SCB":                                  "bitsandbytes",
		down + ".W_q":                                  "HQQ",
		down + ".weight._data":                         "quanto",
		down + ".weight_qdata":                         "torchao",
		down + ".svdquant_lora_a":                      "SVDQuant",
		down + ".weight_quantizer._svdquant_lora_a":    "SVDQuant",
		down + ".wscales":                              "SVDQuant",
		down + ".lora_A.weight":                        "adapter",
		down + ".codebooks":                            "AQLM",
		down + ".something":                            "stands beside the matrix " + down + ".weight",
		down + ".something.weight":                     "stands beside the matrix " + down + ".weight",
		"model.embed_tokens.scale_per_row":             "stands beside the matrix model.embed_tokens.weight",
	} {
		b := newBuild(t, arch.Qwen3, release)
		b.arrays[name] = newArray(quant.F32, 4, 4)
		s, err := OpenDir(b.write(t))
		if err == nil {
			s.Close()
		}
		if !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestUnasked(t *testing.T) {
	b := newBuild(t, arch.Qwen3, release)
	b.arrays["model.layers.0.self_attn.rotary_emb.inv_freq"] = newArray(quant.F32, 16)
	b.arrays["model.layers.0.mlp.up_proj.bias"] = newArray(quant.F16, 256)
	b.arrays["model.layers.0.self_attn.q_proj.bias"] = newArray(quant.F16, 128)
	s, err := OpenDir(b.write(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	inv := s.Inventory()
	if want := []string{"model.layers.0.self_attn.rotary_emb.inv_freq"}; !slices.Equal(inv.Unasked, want) {
		t.Errorf("got %v, want %v", inv.Unasked, want)
	}
	if _, kept := inv.Tensor("model.layers.0.mlp.up_proj.bias"); kept {
		t.Error("a bias of zeros, that the layer has not, is kept")
	}
	if !slices.ContainsFunc(inv.Notes, func(n string) bool { return strings.Contains(n, "1 biases are left out") }) {
		t.Errorf("nothing is said of the bias: %v", inv.Notes)
	}
	b.arrays["model.layers.0.mlp.up_proj.bias"].data[7] = 1
	if _, err := OpenDir(b.write(t)); !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), "up_proj.bias: layers of qwen3 have no bias there") {
		t.Errorf("a bias that would be lost: got %v", err)
	}
}
