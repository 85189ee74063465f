package recipe

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"qimport/quant"
)

// fixedSubject is a tensor that is never quantized.
func fixedSubject(name, why string, source quant.Format) Subject {
	return Subject{Name: name, Shape: []int{256}, Source: source, Fixed: why}
}

// smallModel has one tensor of every kind that recipes treat differently.
func smallModel(source quant.Format) []Subject {
	matrix := func(name string, shape ...int) Subject {
		s := Subject{Name: name, Shape: shape, Source: source, Expert: len(shape) == 3}
		if source.Mode == quant.FP8 {
			s.Kept = quant.FormatBF16
		}
		return s
	}
	return []Subject{
		fixedSubject("model.layers.0.input_layernorm.weight", "norm", quant.FormatBF16),
		fixedSubject("model.layers.0.linear_attn.A_log", "decay", quant.FormatF32),
		matrix("model.layers.0.self_attn.k_proj.weight", 128, 256),
		matrix("model.layers.0.mlp.up_proj.weight", 512, 256),
		matrix("model.layers.1.mlp.up_proj.weight", 512, 48),
		matrix("model.layers.1.mlp.experts.gate_up_proj", 4, 512, 256),
	}
}

func rules(t *testing.T, texts ...string) []Rule {
	t.Helper()
	var out []Rule
	for _, s := range texts {
		r, err := ParseOverride(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

func TestDecide(t *testing.T) {
	const ups = "model.layers.0.mlp.up_proj.weight"
	const stack = "model.layers.1.mlp.experts.gate_up_proj"
	fp8 := quant.Format{Mode: quant.FP8, Bits: 8, BlockRows: 128, BlockCols: 128}
	tests := []struct {
		name     string
		recipe   Recipe
		source   quant.Format
		tensor   string
		want     quant.Format
		decision string
	}{
		{"nothing asked", Recipe{}, quant.FormatBF16, ups, quant.FormatBF16, "source: no type was asked for"},
		{"policy", Recipe{Type: quant.FormatNVFP4}, quant.FormatBF16, ups, quant.FormatNVFP4, "policy ollama"},
		{"promotion", Recipe{Type: quant.FormatNVFP4}, quant.FormatBF16, "model.layers.0.self_attn.k_proj.weight", quant.FormatMXFP8, "policy ollama: k_proj promoted to 8 bit"},
		{"rule over policy", Recipe{Type: quant.FormatNVFP4, Rules: rules(t, "layers.0.mlp.up_proj=affine:6")}, quant.FormatBF16, ups, quant.AffineFormat(6, 64), ""},
		{"later over earlier", Recipe{Rules: rules(t, "**.mlp.**=bf16", "layers.0.mlp.*=mxfp8")}, quant.FormatBF16, ups, quant.FormatMXFP8, "--override 'layers.0.mlp.*=mxfp8'"},
		{"keep as a rule", Recipe{Type: quant.FormatNVFP4, Rules: rules(t, "**.up_proj=keep")}, quant.FormatBF16, ups, quant.FormatBF16, "--override '**.up_proj=keep'"},
		{"source format as a rule", Recipe{Rules: rules(t, "**.up_proj=bf16")}, quant.FormatBF16, ups, quant.FormatBF16, "--override '**.up_proj=bf16'"},
		{"all experts singly", Recipe{Rules: rules(t, "**.experts.{0,1}.**=mxfp8", "**.experts.{2..3}.**=mxfp8")}, quant.FormatBF16, stack, quant.FormatMXFP8, "--override '**.experts.{0,1}.**=mxfp8'"},
		{"experts as a stack", Recipe{Rules: rules(t, "**.experts.*=mxfp4")}, quant.FormatBF16, stack, quant.FormatMXFP4, "--override '**.experts.*=mxfp4'"},
		{"already quantized", Recipe{Type: quant.FormatMXFP8, Rules: rules(t, "layers.0.mlp.up_proj=bf16", "**.k_proj=mxfp8"), AllowRequantize: false}, quant.FormatMXFP8, stack, quant.FormatMXFP8, "source: already quantized"},
		{"dequantized by type", Recipe{Type: quant.FormatBF16}, quant.FormatInt4, ups, quant.FormatBF16, "policy ollama"},
		{"dequantized by rule", Recipe{Rules: rules(t, "**.up_proj=bf16")}, quant.FormatInt4, ups, quant.FormatBF16, "--override '**.up_proj=bf16'"},
		{"requantized", Recipe{Type: quant.FormatNVFP4, AllowRequantize: true}, quant.FormatInt4, ups, quant.FormatNVFP4, "policy ollama"},
		{"FP8 kept", Recipe{}, fp8, ups, quant.FormatBF16, "source: fp8:128x128 is stored as bf16"},
		{"FP8 by type", Recipe{Type: quant.FormatMXFP8}, fp8, ups, quant.FormatMXFP8, "policy ollama"},
		{"FP8 by rule", Recipe{Rules: rules(t, "**.mlp.experts.*=mxfp8")}, fp8, stack, quant.FormatMXFP8, "--override '**.mlp.experts.*=mxfp8'"},
		{"FP8 by rule to what it is kept as", Recipe{Rules: rules(t, "**.mlp.experts.*=bf16")}, fp8, stack, quant.FormatBF16, "--override '**.mlp.experts.*=bf16'"},
		{"FP8 that does not fit", Recipe{Type: quant.FormatMXFP8}, fp8, "model.layers.1.mlp.up_proj.weight", quant.FormatBF16, "source: fp8:128x128 is stored as bf16"},
		{"FP8 again", Recipe{Type: quant.FormatNVFP4, AllowRequantize: true}, fp8, ups, quant.FormatNVFP4, "policy ollama"},
		{"fixed under a policy", Recipe{Policy: Uniform, Type: quant.FormatMXFP8}, quant.FormatBF16, "model.layers.0.input_layernorm.weight", quant.FormatBF16, "source: norm"},
		{"fixed is not rounded", Recipe{Rules: rules(t, "layers.0.**=bf16")}, quant.FormatInt4, "model.layers.0.linear_attn.A_log", quant.FormatF32, "source: decay is not rounded, so --override 'layers.0.**=bf16' leaves it"},
		{"fixed is widened", Recipe{Rules: rules(t, "**.input_layernorm=f32")}, quant.FormatBF16, "model.layers.0.input_layernorm.weight", quant.FormatF32, "--override '**.input_layernorm=f32'"},
	}
	for _, tt := range tests {
		subjects := smallModel(tt.source)
		got, err := tt.recipe.Decide(subjects)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		for i, s := range subjects {
			if s.Name == tt.tensor && (got[i].Format != tt.want || tt.decision != "" && got[i].Rule != tt.decision) {
				t.Errorf("%s: %s is %s by %q, want %s by %q", tt.name, s.Name, got[i].Format, got[i].Rule, tt.want, tt.decision)
			}
		}
	}
}

// A rule for the other kind of model is none; an optional one need not take effect, and still must be possible.
func TestDecideLeavesOut(t *testing.T) {
	const ups = "model.layers.0.mlp.up_proj.weight"
	moe := smallModel(quant.FormatBF16)
	dense := moe[:len(moe)-1]
	rule := func(text string, optional bool, only Kind) Rule {
		r := rules(t, text)[0]
		r.Optional, r.Only = optional, only
		return r
	}
	tests := []struct {
		name     string
		rules    []Rule
		subjects []Subject
		want     quant.Format // of ups
		says     string
	}{
		{"for a mixture of experts", []Rule{rule("layers.0.mlp.up_proj=int8", false, MoE)}, moe, quant.FormatInt8, ""},
		{"not for a dense model", []Rule{rule("layers.0.mlp.up_proj=int8", false, MoE)}, dense, quant.FormatBF16, ""},
		{"for a dense model", []Rule{rule("layers.0.mlp.up_proj=int8", false, Dense)}, dense, quant.FormatInt8, ""},
		{"not for a mixture", []Rule{rule("nowhere=int8", false, Dense)}, moe, quant.FormatBF16, ""},
		{"optional", []Rule{rule("nowhere=int8", true, Any)}, moe, quant.FormatBF16, ""},
		{"optional and taken", []Rule{rule("**.up_proj=int8", true, Any), rule("**.up_proj=bf16", false, Any)}, moe, quant.FormatBF16, ""},
		{"matches nothing", []Rule{rule("nowhere=int8", false, MoE)}, moe, quant.Format{}, "matches no tensor"},
		{"optional and impossible", []Rule{rule("**.up_proj=int8", true, Any)}, moe, quant.Format{}, "divisible by its group of 64"},
	}
	for _, tt := range tests {
		got, err := Recipe{Rules: tt.rules}.Decide(tt.subjects)
		if tt.says != "" {
			if !errors.Is(err, ErrRecipe) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%s: says %v, want %q", tt.name, err, tt.says)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if i := slices.IndexFunc(tt.subjects, func(s Subject) bool { return s.Name == ups }); got[i].Format != tt.want {
			t.Errorf("%s: %s is %s, want %s", tt.name, ups, got[i].Format, tt.want)
		}
	}
}

func TestDecideRefuses(t *testing.T) {
	tests := []struct {
		name   string
		recipe Recipe
		source quant.Format
		says   []string
	}{
		{"dead pattern", Recipe{Rules: rules(t, "**.pu_proj=mxfp8")}, quant.FormatBF16, []string{"matches no tensor", "model.layers.0.mlp.up_proj.weight"}},
		{"dead path", Recipe{Rules: rules(t, "layers.0.self_atn.*=mxfp8")}, quant.FormatBF16, []string{"matches no tensor", "nearest names are model.layers.0.self_attn.k_proj.weight"}},
		{"dead word", Recipe{Rules: rules(t, "**.norm=f32")}, quant.FormatBF16, []string{"nearest names are model.layers.0.input_layernorm.weight"}},
		{"dead prefix", Recipe{Rules: rules(t, "transformer.layers.0.mlp.up_proj=mxfp8")}, quant.FormatBF16, []string{"matches no tensor", "model.layers.0.mlp.up_proj.weight"}},
		{"shadowed", Recipe{Rules: rules(t, "layers.0.mlp.*=mxfp8", "**.mlp.up_proj=bf16")}, quant.FormatBF16, []string{"taken by a later rule, such as --override '**.mlp.up_proj=bf16'"}},
		{"columns", Recipe{Rules: rules(t, "**.up_proj=mxfp8")}, quant.FormatBF16, []string{"divisible by its group of 32", "model.layers.1.mlp.up_proj.weight"}},
		{"norm", Recipe{Rules: rules(t, "layers.0.**=mxfp8")}, quant.FormatBF16, []string{"'norm' is never quantized", "'decay' is never quantized"}},
		{"only what is fixed", Recipe{Rules: rules(t, "**.A_log=bf16")}, quant.FormatBF16, []string{"changes nothing"}},
		{"some experts", Recipe{Rules: rules(t, "**.experts.{0..1}.**=mxfp8")}, quant.FormatBF16, []string{"takes 2 of the 4 experts", "one stack of one type", "gate_up_proj"}},
		{"experts of two types", Recipe{Rules: rules(t, "**.experts.*=mxfp8", "**.experts.3.**=nvfp4")}, quant.FormatBF16, []string{"takes 3 of the 4 experts"}},
		{"requantizing by rule", Recipe{Rules: rules(t, "layers.0.mlp.up_proj=nvfp4")}, quant.FormatInt4, []string{"int4 would be quantized a second time", "--allow-requantize"}},
		{"requantizing by type", Recipe{Type: quant.FormatNVFP4}, quant.FormatInt4, []string{"type nvfp4 reaches no tensor", "already quantized (int4)", "--allow-requantize"}},
		{"requantizing FP8 by type", Recipe{Type: quant.FormatNVFP4}, quant.Format{Mode: quant.FP8, Bits: 8}, []string{"type nvfp4: fp8:tensor would be quantized a second time", "and 2 more"}},
		{"policy keep with a type", Recipe{Policy: KeepSource, Type: quant.FormatNVFP4}, quant.FormatBF16, []string{"policy keep changes nothing"}},
		{"two findings", Recipe{Rules: rules(t, "nothing.*=mxfp8", "**.up_proj=int4")}, quant.FormatBF16, []string{"matches no tensor", "divisible by its group of 64"}},
		{"FP8 as a target", Recipe{Rules: []Rule{{Pattern: "**", Format: quant.Format{Mode: quant.FP8, Bits: 8}}}}, quant.FormatBF16, []string{"cannot give fp8"}},
	}
	for _, tt := range tests {
		_, err := tt.recipe.Decide(smallModel(tt.source))
		if !errors.Is(err, ErrRecipe) {
			t.Errorf("%s: got %v, want an ErrRecipe", tt.name, err)
			continue
		}
		for _, s := range tt.says {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%s: %q does not say %q", tt.name, err, s)
			}
		}
	}
}

func TestDecideWithoutTypeKeepsEverySource(t *testing.T) {
	for _, source := range []quant.Format{quant.FormatBF16, quant.FormatF16, quant.FormatF32, quant.FormatNVFP4, quant.FormatMXFP4, quant.FormatMXFP8, quant.FormatInt4, quant.AffineFormat(3, 128)} {
		for _, p := range []Policy{Ollama, Uniform, KeepSource} {
			subjects := smallModel(source)
			got, err := Recipe{Policy: p}.Decide(subjects)
			if err != nil {
				t.Fatalf("%s, policy %s: %v", source, p, err)
			}
			for i, s := range subjects {
				if got[i].Format != s.Source {
					t.Errorf("%s, policy %s: %s became %s", source, p, s.Name, got[i].Format)
				}
			}
		}
	}
}
