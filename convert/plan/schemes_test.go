package plan

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qimport/convert/converttest"
	"qimport/convert/source"
	"qimport/quant"
	"qimport/quant/recipe"
)

// example is a checkpoint of a scheme: a folder of ../source/testdata, of the repository's testdata
// or, where neither has it, of the fixtures. Old and new, of one length, is what to change in its files, to
// make of it what no producer at hand writes.
type example struct{ dir, old, new string }

// schemeExamples has at least one example for every row of source.Schemes.
var schemeExamples = map[string][]example{
	"MLX affine, nvfp4, mxfp4, mxfp8":                                                          {{dir: "../../testdata/qwen3.5-moe-4bit"}},
	"FP8 blocks of 128x128, or one scale":                                                      {{dir: "tiny-qwen3.5-fp8"}},
	"compressed-tensors pack-quantized, symmetric":                                             {{dir: "ct-w4"}, {dir: "ct-w3-row"}, {dir: "ct-w7"}, {dir: "ct-w8-row"}, {dir: "ct-w4-moe"}},
	"compressed-tensors pack-quantized, with zero points":                                      {{dir: "ct-w4-asym"}, {dir: "ct-w2-g64-asym"}, {dir: "ct-w5-asym"}, {dir: "ct-w6-row-asym"}},
	"compressed-tensors pack-quantized, groups that 32 does not divide":                        {{dir: "ct-w4-g16"}},
	"compressed-tensors pack-quantized, with activation order (weight_g_idx)":                  {{dir: "ct-w4-act-order"}},
	"compressed-tensors int-quantized (W8A8, W4A8)":                                            {{dir: "ct-w8a8"}, {dir: "ct-w4a8-asym"}},
	"compressed-tensors nvfp4-pack-quantized":                                                  {{dir: "ct-nvfp4"}},
	"compressed-tensors mxfp4-pack-quantized":                                                  {{dir: "ct-mxfp4"}},
	"compressed-tensors mxfp8-quantized":                                                       {{dir: "ct-mxfp8"}},
	"compressed-tensors float-quantized, naive-quantized: e4m3 by tensor, row, group or block": {{dir: "ct-fp8-row"}, {dir: "ct-fp8-g32"}, {dir: "ct-fp8-block"}},
	"compressed-tensors mixed-precision, several groups":                                       {{dir: "ct-mixed"}},
	"compressed-tensors transform_config, fused into the weights":                              {{dir: "ct-fused-rotation"}},
	"compressed-tensors transform_config, applied while running":                               {{"ct-fused-rotation", "weight_output", "output       "}},
	"compressed-tensors marlin-24, sparse-24-bitmask":                                          {{"ct-w4", "pack-quantized", "marlin-24     "}},
	"ModelOpt NVFP4, W4A16_NVFP4, W4A8_NVFP4_FP8":                                              {{dir: "mo-w4a16-nvfp4"}, {dir: "mo-nvfp4"}, {dir: "mo-w4a8-nvfp4"}},
	"ModelOpt MXFP4, W4A8_MXFP4_FP8":                                                           {{dir: "mo-mxfp4"}, {dir: "mo-w4a8-mxfp4"}},
	"ModelOpt MXFP8":                                                                           {{dir: "mo-mxfp8"}},
	"ModelOpt FP8, FP8_PER_CHANNEL_PER_TOKEN, FP8_PB_WO":                                       {{dir: "mo-fp8"}, {dir: "mo-fp8-row"}, {dir: "mo-fp8-block"}},
	"ModelOpt W8A16": {{dir: "mo-int8"}},
	"ModelOpt W4A16_AWQ without pre_quant_scale":                           {{dir: "mo-int4"}},
	"ModelOpt pre_quant_scale (NVFP4_AWQ, W4A16_AWQ, W8A8_SQ_PER_CHANNEL)": {{dir: "mo-int8-smoothquant"}, {dir: "mo-int4-awq"}, {dir: "mo-nvfp4-awq"}},
	"ModelOpt MIXED_PRECISION":                                             {{dir: "mo-mixed"}},
	"ModelOpt NVFP4_SVD":                                                   {{"mo-nvfp4-svd", `"NVFP4_SVD"`, `"NVFP4_SVD"`}},
	"GPTQ, AutoRound 2 to 8 bits, v1 and v2, without activation order": {{dir: "gptq-3bit-asym"}, {dir: "gptq-4bit-g32"}, {dir: "gptq-4bit-asym"}, {dir: "gptq-4bit-v2-asym"}, {dir: "gptq-2bit-g64"}, {dir: "gptq-4bit-moe"},
		{dir: "autoround-2bit"}, {dir: "autoround-3bit-gptq"}, {dir: "autoround-4bit"}, {dir: "autoround-4bit-own"}, {dir: "autoround-4bit-moe"}, {dir: "autoround-5bit"}, {dir: "autoround-7bit"}, {dir: "autoround-8bit"}},
	"GPTQ a scale a column of the layer's output (group_size -1)": {{dir: "gptq-8bit-column"}},
	"GPTQ 3 and 5 to 7 bits in planes (gptq_p)":                   {{dir: "gptq-5bit-planes"}},
	"others bitsandbytes, HQQ, quanto, torchao": {
		{"ct-w4", `"compressed-tensors"`, `"bitsandbytes"      `}, {"ct-w4", `"compressed-tensors"`, `"hqq"               `},
		{"ct-w4", `"compressed-tensors"`, `"quanto"            `}, {"ct-w4", `"compressed-tensors"`, `"torchao"           `},
		{"ct-w4", "weight_shape", "weight_qdata"},
	},
	"others SVDQuant, AQLM, VPTQ, QuIP#, ExLlama, mxfp4 as gpt-oss has it": {{"ct-w4", "weight_packed", "smooth_factor"}, {"ct-w4", "weight_packed", "res_centroids"}, {"ct-w4", "weight_packed", "weight_blocks"}},
	"AWQ gemv, gemv_fast, marlin":                                          {{"awq-4bit", `"gemm"`, `"gemv"`}},
	"AWQ, AutoRound gemm, 4 bits (AutoRound: 6 too)":                       {{dir: "awq-4bit"}, {dir: "awq-4bit-g64"}, {dir: "awq-4bit-moe"}, {dir: "autoround-4bit-awq"}, {dir: "autoround-6bit-awq"}},
	"GPTQ, AutoRound with activation order":                                {{dir: "gptq-4bit-act-order"}},
	"ModelOpt W4A8_AWQ":                                                    {{"mo-w4a8-awq", `"W4A8_AWQ"`, `"W4A8_AWQ"`}},
}

// TestSchemes plans an example of every scheme, and demands what the list says of it.
func TestSchemes(t *testing.T) {
	left := maps.Clone(schemeExamples)
	for _, s := range source.Schemes() {
		name := s.Producer + " " + s.Name
		examples := left[name]
		delete(left, name)
		if len(examples) == 0 {
			t.Errorf("%s has no example", name)
		}
		for _, e := range examples {
			t.Run(name+"/"+filepath.Base(e.dir), func(t *testing.T) {
				if fate := fateOf(t, e.folder(t), strings.Trim(e.new, `" `)); fate != s.Fate {
					t.Errorf("it is %s, not %s", fate, s.Fate)
				}
			})
		}
	}
	for name := range left {
		t.Errorf("there is an example of %s, which the list has not", name)
	}
}

// fateOf is what an import that asks for nothing makes of a checkpoint's quantized weights. A refusal is one
// by name if it says that word.
func fateOf(t *testing.T, dir, word string) source.Fate {
	t.Helper()
	src, err := source.OpenDir(dir)
	if errors.Is(err, source.ErrSource) && word != "" && strings.Contains(err.Error(), word) {
		return source.FateRefused
	}
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	p, err := Make(context.Background(), src, recipe.Recipe{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	fates := map[source.Fate]bool{}
	formats := map[quant.Mode]bool{}
	for _, b := range p.Blobs {
		for _, tp := range b.Tensors {
			if !tp.Source.IsQuantized() {
				continue
			}
			formats[tp.Source.Mode] = true
			switch {
			case slices.Contains([]Transform{Copy, Repack, Expand, Fold}, tp.Transform):
				fates[source.FateKept] = true
			case tp.From.ScalesInputs(): // beside layers that have none
				return source.FateDecoded
			default:
				fates[source.FateDecoded] = true
			}
		}
	}
	switch {
	case len(fates) == 0:
		t.Fatal("nothing is quantized")
	case len(formats) > 1:
		return source.FateLayers
	case len(fates) > 1:
		t.Fatalf("it is %v", fates)
	}
	return slices.Collect(maps.Keys(fates))[0]
}

// folder is the checkpoint, changed and with a tokenizer.
func (e example) folder(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob("../source/testdata/*/" + e.dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 {
		return converttest.SourceDir(t, e.dir)
	}
	dir := found[0]
	out := t.TempDir()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	changed := e.old == ""
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if e.old != "" {
			changed = changed || bytes.Contains(b, []byte(e.old))
			b = bytes.ReplaceAll(b, []byte(e.old), []byte(e.new))
		}
		write(t, filepath.Join(out, filepath.Base(f)), b)
	}
	if !changed || len(e.old) != len(e.new) {
		t.Fatalf("%q is nowhere in %s, or %q of another length", e.old, e.dir, e.new)
	}
	write(t, filepath.Join(out, "tokenizer.json"), []byte(`{"model":{"vocab":{"a":0,"b":1}},"added_tokens":[{"id":95,"content":"<|im_end|>"}]}`))
	write(t, filepath.Join(out, "tokenizer_config.json"), []byte(`{"eos_token":"<|im_end|>"}`))
	return out
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestOrderWarned: what activation order costs is said, and not that its groups have a wrong size.
func TestOrderWarned(t *testing.T) {
	for _, dir := range []string{"ct-w4-act-order", "gptq-4bit-act-order"} {
		src, err := source.OpenDir(example{dir: dir}.folder(t))
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		p, err := Make(context.Background(), src, recipe.Recipe{}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		said := strings.Join(p.Warnings, "\n")
		if !strings.Contains(said, "7 tensors are decoded to 16 bits") || !strings.Contains(said, "lie apart (act order)") || strings.Contains(said, "multiples of 32") {
			t.Errorf("%s: it says %q", dir, said)
		}
	}
}
