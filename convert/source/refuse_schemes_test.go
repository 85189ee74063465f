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

// packed makes a tensor integers as compressed-tensors packs them.
func (b *build) packed(suffix string, f quant.Format) {
	name := b.name(suffix)
	weight, scales, zeros, err := f.IntLayout(b.arrays[name].shape, quant.BF16)
	if err != nil {
		panic(err)
	}
	key := name
	if f.Packing == quant.Words || f.Packing == quant.WholeWords {
		key += "_packed"
		b.arrays[name+"_shape"] = int64s(b.arrays[name].shape...)
		delete(b.arrays, name)
	}
	b.arrays[key] = newArray(weight.Dtype, weight.Shape...)
	b.arrays[name+"_scale"] = newArray(scales.Dtype, scales.Shape...)
	if f.Zeros {
		b.arrays[name+"_zero_point"] = newArray(zeros.Dtype, zeros.Shape...)
	}
}

func int64s(values ...int) arrayData {
	a := newArray(quant.I64, len(values))
	for i, v := range values {
		a.data[8*i], a.data[8*i+1] = byte(v), byte(v>>8)
	}
	return a
}

// ints is the weights object of a group of integers.
func ints(bits int, more ...any) map[string]any {
	w := map[string]any{"num_bits": bits, "type": "int", "strategy": "group", "group_size": 128, "symmetric": true}
	for i := 0; i < len(more); i += 2 {
		w[more[i].(string)] = more[i+1]
	}
	return w
}

const up0 = "model.layers.0.mlp.up_proj"

// withInts is a dense model of which one projection is integers.
func withInts(f quant.Format, format string, weights map[string]any, damage func(b *build)) func(*testing.T) *build {
	return func(t *testing.T) *build {
		b := newBuild(t, arch.Qwen3, release)
		b.packed(up0+".weight", f)
		b.config["quantization_config"] = groups(format, weights, "Linear")
		if damage != nil {
			damage(b)
		}
		return b
	}
}

// TestSchemesRefused: what compressed-tensors and ModelOpt can say that is not so, or that qimport cannot
// read, is refused by its name.
func TestSchemesRefused(t *testing.T) {
	words4 := quant.IntFormat(4, 128, quant.Words, false)
	block := func(b *build) map[string]any { return b.config["quantization_config"].(map[string]any) }
	for _, c := range []struct {
		name string
		make func(t *testing.T) *build
		want string // words in this order, with * between them
	}{
		{"bits", withInts(words4, "pack-quantized", ints(9), nil), "config_groups.group_0*number of bits 9"},
		{"one bit", withInts(words4, "pack-quantized", ints(1), nil), "number of bits 1"},
		{"group of nothing", withInts(words4, "pack-quantized", ints(4, "group_size", 0), nil), "group_size is no size"},
		{"negative group", withInts(words4, "pack-quantized", ints(4, "group_size", -7), nil), "group_size is no size"},
		{"absurd group", withInts(words4, "pack-quantized", ints(4, "group_size", 1<<40), nil), "group_size is no size"},
		{"group beyond numbers", withInts(words4, "pack-quantized", ints(4, "group_size", 1e30), nil), "weights"},
		{"another group", withInts(words4, "pack-quantized", ints(4, "group_size", 64), nil), up0 + "*int:4:64*BF16 [256 1]"},
		{"blocks of integers", withInts(words4, "pack-quantized", ints(4, "strategy", "block"), nil), `strategy "block"`},
		{"other bits than the config's", withInts(words4, "pack-quantized", ints(8), nil), up0 + "*shape [256 64]"},
		{"bytes where words are said", withInts(quant.IntFormat(8, 128, quant.Bytes, false), "pack-quantized", ints(8), nil), up0 + "*int:8:128*I8"},
		{"words where bytes are said", withInts(words4, "int-quantized", ints(4), nil), up0 + "*int:4:128*I32"},
		{"zero points missing", withInts(words4, "pack-quantized", ints(4, "symmetric", false), nil), up0 + "*weight_zero_point is nothing"},
		{"zero points too many", withInts(quant.IntFormat(4, 128, quant.Words, true), "pack-quantized", ints(4), nil), up0 + "*weight_zero_point is I32"},
		{"zero points of another shape", withInts(quant.IntFormat(4, 128, quant.Words, true), "pack-quantized", ints(4, "symmetric", false), func(b *build) {
			b.arrays[up0+".weight_zero_point"] = newArray(quant.I32, 256, 1)
		}), up0 + "*int:4:128:asym"},
		{"scales missing", withInts(words4, "pack-quantized", ints(4), func(b *build) { delete(b.arrays, up0+".weight_scale") }), "weight_scale is missing"},
		{"integers as scales", withInts(words4, "pack-quantized", ints(4), func(b *build) { b.arrays[up0+".weight_scale"] = newArray(quant.I32, 256, 1) }), "scales I32 [256 1]"},
		{"weight_shape no shape", withInts(words4, "pack-quantized", ints(4), func(b *build) { b.arrays[up0+".weight_shape"] = newArray(quant.F32, 2) }), "weight_shape is F32 [2]"},
		{"order of another length", ordered(func(b *build) { b.arrays[up0+".weight_g_idx"] = newArray(quant.I32, 127) }), up0 + ".weight_g_idx is I32 [127]*128 inputs of int:4:32"},
		{"order of floats", ordered(func(b *build) { b.arrays[up0+".weight_g_idx"] = newArray(quant.F32, 128) }), up0 + ".weight_g_idx is F32 [128]"},
		{"order in two dimensions", ordered(func(b *build) { b.arrays[up0+".weight_g_idx"] = newArray(quant.I32, 1, 128) }), up0 + ".weight_g_idx is I32 [1 128]"},
		{"group out of range", ordered(func(b *build) { b.putGroup(up0+".weight_g_idx", 9, 4) }), up0 + ".weight_g_idx*input 9 is of group 4, where there are 4"},
		{"group negative", ordered(func(b *build) { b.putGroup(up0+".weight_g_idx", 127, -1) }), up0 + ".weight_g_idx*input 127 is of group -1"},
		{"group without inputs", ordered(func(b *build) { b.arrays[up0+".weight_g_idx"] = newArray(quant.I32, 128) }), up0 + ".weight_g_idx*no input is of group 1, of 4"},
		{"order of a scale a row", withInts(quant.IntFormat(4, 0, quant.Words, false), "pack-quantized", ints(4, "strategy", "channel"), func(b *build) {
			b.arrays[up0+".weight_g_idx"] = newArray(quant.I32, 128)
		}), up0 + ".weight_g_idx*int:4:row"},
		{"order of a plain weight", withInts(words4, "pack-quantized", ints(4), func(b *build) {
			b.arrays["model.layers.1.mlp.up_proj.weight_g_idx"] = newArray(quant.I32, 128)
		}), "layers.1.mlp.up_proj*BF16*takes no*weight_g_idx"},
		{"order without a weight", withInts(words4, "pack-quantized", ints(4), func(b *build) {
			delete(b.arrays, "model.layers.1.mlp.up_proj.weight")
			b.arrays["model.layers.1.mlp.up_proj.weight_g_idx"] = newArray(quant.I32, 128)
		}), "layers.1.mlp.up_proj.weight*missing"},
		{"order of ModelOpt's integers", modelOptInts4(func(b *build) { b.arrays[up0+".weight_g_idx"] = newArray(quant.I32, 128) }), up0 + "*weight_g_idx is there*no use"},
		{"ignored", withInts(words4, "pack-quantized", ints(4), func(b *build) { block(b)["ignore"] = []string{"lm_head", "re:.*up_proj"} }), "ignores module " + up0 + "*re:.*up_proj"},
		{"ignore no list", withInts(words4, "pack-quantized", ints(4), func(b *build) { block(b)["ignore"] = 7 }), "ignore: it is no list"},
		{"too many expressions", withInts(words4, "pack-quantized", ints(4), func(b *build) {
			block(b)["ignore"] = strings.Split(strings.Repeat("re:.*[a-z]{200}$,", 40), ",")
		}), "ignore*too large"},
		{"one target in two groups", withInts(words4, "pack-quantized", ints(4), func(b *build) {
			all := block(b)["config_groups"].(map[string]any)
			all["group_1"] = map[string]any{"targets": []string{"Linear"}, "weights": ints(8)}
		}), `target "Linear" is in both config_groups.group_0 and config_groups.group_1`},
		{"mixed without a format", withInts(words4, "mixed-precision", ints(4), nil), "config_groups.group_0*mixed-precision"},
		{"a rotation of inputs", withInts(words4, "pack-quantized", ints(4), rotated("input")), "transform_config.R4*hadamard*input"},
		{"a rotation of the cache", withInts(words4, "pack-quantized", ints(4), rotated("k_cache")), "transform_config.R4*k_cache"},
		{"a rotation nobody knows", withInts(words4, "pack-quantized", ints(4), rotated("sideways")), "transform_config.R4*sideways"},
		{"sparse", withInts(words4, "pack-quantized", ints(4), func(b *build) { block(b)["sparsity_config"] = map[string]any{"format": "sparse-24-bitmask"} }), "sparsity_config*sparse-24-bitmask"},
		{"a stack of integers", withInts(words4, "pack-quantized", ints(4), func(b *build) {
			b.arrays[up0+".weight_packed"] = newArray(quant.I32, 2, 128, 16)
		}), up0 + "*unsupported integers in a stack*I32 [2 128 16]*a matrix each"},
		{"a stack of ModelOpt's integers", modelOptInts4(func(b *build) {
			b.arrays[up0+".weight"] = newArray(quant.U8, 2, 64, 128)
		}), up0 + "*unsupported integers in a stack*U8 [2 64 128]*a matrix each"},
		{"int8 that no config names", withInts(quant.IntFormat(8, 0, quant.Bytes, false), "", nil, func(b *build) { delete(b.config, "quantization_config") }), up0 + "*I8*config names no quantization"},
		{"rows of an odd number", modelOptInts4(func(b *build) { b.arrays[up0+".weight_scale"] = newArray(quant.F32, 255, 1) }), up0 + "*U8 [128 128]*F32 [255 1]"},
		{"groups that do not divide", modelOptInts4(func(b *build) { b.arrays[up0+".weight_scale"] = newArray(quant.F32, 256, 3) }), up0 + "*no whole groups"},
		{"another algorithm", modelOptInts4(func(b *build) { block(b)["quant_algo"] = "W8A16" }), up0 + "*W8A16*int:4:128"},
		{"another algorithm for the layer", modelOptInts4(func(b *build) {
			block(b)["quant_algo"] = "MIXED_PRECISION"
			block(b)["quantized_layers"] = map[string]any{"language_model.model.layers.0.mlp.up_proj": map[string]any{"quant_algo": "FP8"}}
		}), up0 + "*FP8*int:4:128"},
		{"an unknown algorithm for a layer", modelOptInts4(func(b *build) {
			block(b)["quant_algo"] = "MIXED_PRECISION"
			block(b)["quantized_layers"] = map[string]any{"a": map[string]any{"quant_algo": "W4A8_AWQ"}}
		}), `quantized_layers*"a"*W4A8_AWQ`},
		{"two algorithms for a layer", modelOptInts4(func(b *build) {
			block(b)["quant_algo"] = "MIXED_PRECISION"
			block(b)["quantized_layers"] = map[string]any{"model.layers.0.mlp.up_proj": map[string]any{"quant_algo": "FP8"}, "layers.0.mlp.up_proj": map[string]any{"quant_algo": "NVFP4"}}
		}), `quantized_layers*NVFP4 and FP8`},
		{"group of another size", modelOptInts4(func(b *build) { block(b)["quant_algo"], block(b)["group_size"] = "NVFP4", 64 }), "group_size 64*nvfp4"},
		{"input scales of another length", modelOptInts4(func(b *build) { b.arrays[up0+".pre_quant_scale"] = newArray(quant.BF16, 127) }), up0 + "*pre_quant_scale is BF16 [127]"},
		{"input scales beside a plain weight", modelOptInts4(func(b *build) { b.arrays["model.layers.1.mlp.up_proj.pre_quant_scale"] = newArray(quant.BF16, 128) }), "layers.1.mlp.up_proj*BF16*pre_quant_scale"},
	} {
		t.Run(c.name, func(t *testing.T) {
			src, err := OpenDir(c.make(t).write(t))
			if err == nil {
				src.Close()
			}
			if !errors.Is(err, ErrSource) {
				t.Fatalf("got %v", err)
			}
			rest := err.Error()
			for _, word := range strings.Split(c.want, "*") {
				_, after, found := strings.Cut(rest, word)
				if !found {
					t.Fatalf("%q does not say %q, or not there", err, word)
				}
				rest = after
			}
		})
	}
}

// ordered is a dense model of which one projection is integers in four groups, with a weight_g_idx that has
// them in order.
func ordered(change func(b *build)) func(*testing.T) *build {
	return withInts(quant.IntFormat(4, 32, quant.Words, false), "pack-quantized", ints(4, "group_size", 32), func(b *build) {
		b.order(up0 + ".weight_g_idx")
		if change != nil {
			change(b)
		}
	})
}

// order is a g_idx of 128 inputs in groups of 32.
func (b *build) order(name string) {
	b.arrays[name] = newArray(quant.I32, 128)
	for k := range 128 {
		b.putGroup(name, k, k/32)
	}
}

// TestIntsOrder: a weight_g_idx that has the groups in order is forgotten, and any other one kept.
func TestIntsOrder(t *testing.T) {
	swap := func(b *build) {
		b.putGroup(up0+".weight_g_idx", 5, 3)
		b.putGroup(up0+".weight_g_idx", 127, 0)
	}
	for name, c := range map[string]struct {
		change func(b *build)
		loaded quant.Format
	}{
		"in order":     {nil, quant.AffineFormat(4, 32)},
		"out of order": {swap, quant.FormatBF16},
	} {
		src, err := OpenDir(ordered(c.change)(t).write(t))
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		x, ok := src.Inventory().Tensor(up0 + ".weight")
		if !ok || x.Format != quant.IntFormat(4, 32, quant.Words, false) || x.OutOfOrder() != (c.change != nil) {
			t.Errorf("%s: it is %s, out of order %t", name, x.Format, x.OutOfOrder())
		}
		q, err := src.Load(x.Name)
		if err != nil || q.Validate() != nil || q.Format != c.loaded {
			t.Errorf("%s: loaded as %s, %v, %v", name, q.Format, err, q.Validate())
		}
	}
}

// TestOrderOfExperts: of a stack, all experts have an order or none.
func TestOrderOfExperts(t *testing.T) {
	b := newBuild(t, arch.Qwen35MoE, release)
	b.single()
	for e := range 4 {
		b.packed(fmt.Sprintf("layers.0.mlp.experts.%d.up_proj.weight", e), quant.IntFormat(4, 32, quant.Words, false))
	}
	b.order("model.language_model.layers.0.mlp.experts.2.up_proj.weight_g_idx")
	b.config["quantization_config"] = groups("pack-quantized", ints(4, "group_size", 32), "Linear")
	mustRefuse(t, b.write(t), []string{"layers.0.mlp.experts.2.up_proj", "has a g_idx"})
}

// TestWholeWords: older releases of compressed-tensors let no word's end cut a code. The config's shape tells, by
// the number of words.
func TestWholeWords(t *testing.T) {
	for _, bits := range []int{3, 5, 6, 7} {
		whole, _ := quant.IntFormat(bits, 32, quant.Words, true).InWholeWords()
		said := ints(bits, "group_size", 32, "symmetric", false)
		src, err := OpenDir(withInts(whole, "pack-quantized", said, nil)(t).write(t))
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		x, _ := src.Inventory().Tensor(up0 + ".weight")
		if x.Format != whole || !slices.Equal(x.Shape, []int{256, 128}) {
			t.Errorf("%d bits: it is %s %v, of packing %d", bits, x.Format, x.Shape, x.Format.Packing)
		}
		if q, err := src.Load(x.Name); err != nil || q.Validate() != nil || q.Format.Mode != quant.Affine {
			t.Errorf("%d bits: loaded as %s, %v, %v", bits, q.Format, err, q.Validate())
		}
		mustRefuse(t, withInts(whole, "pack-quantized", said, func(b *build) {
			_, _, zeros, _ := quant.IntFormat(bits, 32, quant.Words, true).IntLayout([]int{256, 128}, quant.BF16)
			b.arrays[up0+".weight_zero_point"] = newArray(zeros.Dtype, zeros.Shape...)
		})(t).write(t), []string{up0, "weight_zero_point I32"})
	}
}

func rotated(location string) func(b *build) {
	return func(b *build) {
		b.config["quantization_config"].(map[string]any)["transform_config"] = map[string]any{"config_groups": map[string]any{
			"R4": map[string]any{"type": "hadamard", "apply": []any{map[string]any{"targets": []string{"Linear"}, "location": location}}},
		}}
	}
}

// modelOptInts4 is a dense model of which one projection is ModelOpt's 4-bit integers.
func modelOptInts4(change func(b *build)) func(*testing.T) *build {
	return func(t *testing.T) *build {
		b := newBuild(t, arch.Qwen3, release)
		b.packed(up0+".weight", quant.IntFormat(4, 128, quant.RowPairs, false))
		b.arrays[up0+".weight_scale"] = newArray(quant.F32, 256, 1)
		b.config["quantization_config"] = map[string]any{"quant_method": "modelopt", "quant_algo": "W4A16_AWQ", "group_size": 128}
		if change != nil {
			change(b)
		}
		return b
	}
}

// Values that lie are found when they are read.
func TestSchemesLoadRefused(t *testing.T) {
	bytes4 := quant.IntFormat(4, 128, quant.Bytes, false)
	for _, c := range []struct {
		name string
		make func(t *testing.T) *build
		want string
	}{
		{"weight_shape of another tensor", withInts(quant.IntFormat(4, 128, quant.Words, false), "pack-quantized", ints(4), func(b *build) {
			b.arrays[up0+".weight_shape"] = int64s(128, 256)
		}), "weight_shape: it says [128 256]"},
		{"an integer of more bits", withInts(bytes4, "int-quantized", ints(4), func(b *build) { b.arrays[up0+".weight"].data[130] = 8 }), "row 1 holds the integer 8"},
		{"an input scale that is no number", modelOptInts4(func(b *build) {
			b.arrays[up0+".pre_quant_scale"] = newArray(quant.BF16, 128)
			b.arrays[up0+".pre_quant_scale"].data[1] = 0x7F
			b.arrays[up0+".pre_quant_scale"].data[0] = 0xC0
		}), "column 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			src, err := OpenDir(c.make(t).write(t))
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			if _, err := src.Load(up0 + ".weight"); !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestTargets: each tensor is of the group whose target is its name, else an expression for it, else its
// class; names are found under any container.
func TestTargets(t *testing.T) {
	four, eight, two := ints(4), ints(8), ints(2)
	b := newBuild(t, arch.Qwen35, release)
	b.packed("layers.0.mlp.up_proj.weight", quant.IntFormat(8, 128, quant.Words, false))
	b.packed("layers.0.mlp.gate_proj.weight", quant.IntFormat(2, 128, quant.Words, false))
	b.packed("layers.0.mlp.down_proj.weight", quant.IntFormat(4, 128, quant.Words, false))
	b.config["quantization_config"] = map[string]any{
		"quant_method": "compressed-tensors", "format": "pack-quantized",
		"ignore": []string{"lm_head", "re:visual.*", "re:(?!python only)"},
		"config_groups": map[string]any{
			"group_0": map[string]any{"targets": []string{"Linear"}, "weights": four},
			"group_1": map[string]any{"targets": []string{"re:.*layers.0.mlp.(up|gate)_proj$"}, "weights": eight},
			"group_2": map[string]any{"targets": []string{"language_model.model.layers.0.mlp.gate_proj"}, "weights": two},
		},
	}
	src, err := OpenDir(b.write(t))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	for name, bits := range map[string]int{"up_proj": 8, "gate_proj": 2, "down_proj": 4} {
		tensor, ok := src.Inventory().Tensor("model.language_model.layers.0.mlp." + name + ".weight")
		if !ok || tensor.Format.Mode != quant.Int || tensor.Format.Bits != bits {
			t.Errorf("%s is %v, want %d bits", name, tensor.Format, bits)
		}
	}
}

// A rotation that is part of the weights changes nothing.
func TestFusedTransform(t *testing.T) {
	b := withInts(quant.IntFormat(4, 128, quant.Words, false), "pack-quantized", ints(4), rotated("weight_input"))(t)
	src, err := OpenDir(b.write(t))
	if err != nil {
		t.Fatal(err)
	}
	src.Close()
}
