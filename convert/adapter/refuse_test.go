package adapter

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qimport/arch"
	"qimport/convert/safetensors"
	"qimport/convert/source"
	"qimport/quant"
)

// draft is an adapter of a test: its config, and arrays of ones by shape.
type draft struct {
	config map[string]any
	arrays map[string][]int
}

func (d draft) write(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	config, err := json.Marshal(d.config)
	if err != nil {
		t.Fatal(err)
	}
	name := "adapters.safetensors"
	if _, peft := d.config["peft_type"]; peft {
		name = "adapter_model.safetensors"
	}
	err = errors.Join(os.WriteFile(filepath.Join(dir, configName), config, 0o644), os.WriteFile(filepath.Join(dir, name), d.file(t), 0o644))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func (d draft) file(t testing.TB) []byte {
	t.Helper()
	var entries []safetensors.Tensor
	for _, name := range slices.Sorted(maps.Keys(d.arrays)) {
		entries = append(entries, safetensors.Tensor{Name: name, Dtype: quant.F32, Shape: d.arrays[name]})
	}
	h, err := safetensors.New(nil, entries)
	if err != nil {
		t.Fatal(err)
	}
	ones := make([]float32, h.DataBytes()/4)
	for i := range ones {
		ones[i] = 1
	}
	return append(h.Append(nil), quant.Float32s(ones).Data...)
}

const (
	qProj     = "base_model.model.model.layers.0.self_attn.q_proj"
	embedding = "base_model.model.model.embed_tokens"
	tokens    = "base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta"
)

// peftDraft is a good adapter of one projection, with what a test changes of it.
func peftDraft(keys map[string]any, arrays map[string][]int) draft {
	d := draft{
		map[string]any{"peft_type": "LORA", "r": 2, "lora_alpha": 4},
		map[string][]int{qProj + ".lora_A.weight": {2, 32}, qProj + ".lora_B.weight": {32, 2}},
	}
	maps.Copy(d.config, keys)
	maps.Copy(d.arrays, arrays)
	maps.DeleteFunc(d.arrays, func(_ string, shape []int) bool { return shape == nil })
	return d
}

func mlxDraft(keys map[string]any, arrays map[string][]int) draft {
	d := draft{
		map[string]any{"fine_tune_type": "lora", "lora_parameters": map[string]any{"rank": 2, "scale": 2}},
		map[string][]int{"model.layers.0.self_attn.q_proj.lora_a": {32, 2}, "model.layers.0.self_attn.q_proj.lora_b": {2, 32}},
	}
	maps.Copy(d.config, keys)
	maps.Copy(d.arrays, arrays)
	maps.DeleteFunc(d.arrays, func(_ string, shape []int) bool { return shape == nil })
	return d
}

type keys = map[string]any
type shapes = map[string][]int

// TestRefuses: what cannot be fused, or fits nothing of the model, is refused by name.
func TestRefuses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		base  string
		scale float64
		draft draft
		says  string
	}{
		{"good", "dense", 1, peftDraft(nil, nil), ""},
		{"good, of mlx-lm", "dense", 1, mlxDraft(nil, nil), ""},
		{"a layer too many", "dense", 1, peftDraft(nil, shapes{"base_model.model.model.layers.7.mlp.up_proj.lora_A.weight": {2, 32}, "base_model.model.model.layers.7.mlp.up_proj.lora_B.weight": {48, 2}}),
			"module model.layers.7.mlp.up_proj: it fits nothing: the model has no tensor layers.7.mlp.up_proj.weight"},
		{"a tensor too many", "dense", 1, peftDraft(nil, shapes{"base_model.model.model.rotary.weight": {2}}), "tensor base_model.model.model.rotary.weight: it fits nothing"},
		{"another rank", "dense", 1, peftDraft(keys{"r": 3}, nil), qProj + ".lora_A.weight is [2 32], where the rank 3 of adapter_config.json"},
		{"a rank by pattern", "dense", 1, peftDraft(keys{"rank_pattern": keys{`self_attn\.q_proj`: 5}}, nil), "where the rank 5"},
		{"another width", "dense", 1, peftDraft(nil, shapes{qProj + ".lora_B.weight": {48, 2}}), "lora_B.weight is [48 2]"},
		{"half of a pair", "dense", 1, peftDraft(nil, shapes{qProj + ".lora_B.weight": nil}), "one of lora_A and lora_B without the other"},
		{"no rank", "dense", 1, peftDraft(keys{"r": 0}, nil), "the rank 0"},
		{"half a rank", "dense", 1, peftDraft(keys{"rank_pattern": keys{"q_proj": 1.5}}, nil), "the rank 1.5"},
		{"dora without magnitudes", "dense", 1, peftDraft(keys{"use_dora": true}, nil), "has no lora_magnitude_vector"},
		{"magnitudes without dora", "dense", 1, peftDraft(nil, shapes{qProj + ".lora_magnitude_vector": {32}}), "does not say use_dora"},
		{"magnitudes of another shape", "dense", 1, peftDraft(keys{"use_dora": true}, shapes{qProj + ".lora_magnitude_vector": {31}}), "its magnitude is [31]"},
		{"dora on an embedding", "dense", 1, peftDraft(keys{"use_dora": true}, shapes{qProj + ".lora_magnitude_vector": {32},
			embedding + ".lora_embedding_A": {2, 48}, embedding + ".lora_embedding_B": {32, 2}, embedding + ".lora_magnitude_vector": {32}}), "DoRA on an embedding is not supported"},
		{"another kind", "dense", 1, peftDraft(keys{"peft_type": "LOHA"}, nil), `peft_type "LOHA" is not supported`},
		{"pissa", "dense", 1, peftDraft(keys{"init_lora_weights": "pissa_niter_4"}, nil), "changed the model's own weights"},
		{"replicated layers", "dense", 1, peftDraft(keys{"layer_replication": []any{[]int{0, 1}}}, nil), "layer_replication is not supported"},
		{"trained tokens", "dense", 1, peftDraft(keys{"trainable_token_indices": []int{1, 47}}, shapes{tokens: {2, 32}}), ""},
		{"trained tokens of nobody", "dense", 1, peftDraft(nil, shapes{tokens: {2, 32}}), "does not name it"},
		{"trained tokens, too few", "dense", 1, peftDraft(keys{"trainable_token_indices": []int{1, 2, 3}}, shapes{tokens: {2, 32}}), "3 trained tokens"},
		{"a trained token too far", "dense", 1, peftDraft(keys{"trainable_token_indices": []int{1, 48}}, shapes{tokens: {2, 32}}), "token 48 is trained, and the model's model.embed_tokens.weight has 48 rows"},
		{"a trained token below", "dense", 1, peftDraft(keys{"trainable_token_indices": []int{-1}}, shapes{tokens: {1, 32}}), "has the id -1"},
		{"a trained token twice", "dense", 1, peftDraft(keys{"trainable_token_indices": []int{1, 1}}, shapes{tokens: {2, 32}}), "an id twice"},
		{"trained tokens without rows", "dense", 1, peftDraft(keys{"trainable_token_indices": keys{"lm_head": []int{1}}}, nil), "there are no rows of tokens for \"lm_head\""},
		{"trained tokens in words", "dense", 1, peftDraft(keys{"trainable_token_indices": "all"}, nil), "neither a list of ids"},
		{"trained tokens scaled", "dense", 0.5, peftDraft(keys{"trainable_token_indices": []int{1}}, shapes{tokens: {1, 32}}), "cannot be scaled by 0.5"},
		{"an unknown array", "dense", 1, peftDraft(nil, shapes{qProj + ".lora_C.weight": {2}}), "lora_C.weight is of a kind that is not known"},
		{"a bias of lora", "dense", 1, peftDraft(nil, shapes{qProj + ".lora_B.bias": {32}}), "is of a kind that is not known"},
		{"another name", "dense", 1, peftDraft(nil, shapes{"model.norm.weight": {32}}), "does not begin with base_model.model"},
		{"a hostile pattern", "dense", 1, peftDraft(keys{"rank_pattern": keys{"((a{30}){30}){30}{30}": 1}}, nil), "adapter_config.json: pattern"},
		{"whole tensors scaled", "dense", 0.5, peftDraft(nil, shapes{"base_model.model.lm_head.weight": {48, 32}}), "cannot be scaled by 0.5"},
		{"a norm for a matrix", "dense", 1, peftDraft(nil, shapes{"base_model.model.lm_head.weight": {32}}), "it is [32], the model's lm_head.weight [48 32]"},
		{"lora of a norm", "dense", 1, peftDraft(nil, shapes{"base_model.model.model.norm.lora_A.weight": {2, 32}, "base_model.model.model.norm.lora_B.weight": {1, 2}}), "model.norm.weight, [32], is no matrix"},
		{"an expert too many", "moe", 1, peftDraft(nil, shapes{"base_model.model.model.layers.0.mlp.experts.4.up_proj.lora_A.weight": {2, 32}, "base_model.model.model.layers.0.mlp.experts.4.up_proj.lora_B.weight": {24, 2}}), "the model has 4 experts"},
		{"experts of other shapes", "moe", 1, peftDraft(nil, shapes{"base_model.model.model.layers.0.mlp.experts.lora_A.weight": {8, 33}, "base_model.model.model.layers.0.mlp.experts.lora_B.weight": {48, 8}}), "fits none of the experts' stacks"},
		{"no rank of mlx-lm", "dense", 1, mlxDraft(keys{"lora_parameters": keys{"scale": 1}}, nil), "the rank is 0"},
		{"no scale of mlx-lm", "dense", 1, mlxDraft(keys{"lora_parameters": keys{"rank": 2, "alpha": 2}}, nil), "there is no scale"},
		{"transposed", "dense", 1, mlxDraft(nil, shapes{"model.layers.0.self_attn.q_proj.lora_a": {2, 32}}), "lora_a is [2 32]"},
		{"names of mlx-lm", "dense", 1, mlxDraft(nil, shapes{"model.norm.weight": {32}}), "none of an adapter's"},
		{"a type of mlx-lm", "dense", 1, mlxDraft(keys{"fine_tune_type": "dreambooth"}, nil), "supported: lora, dora, full"},
		{"no kind", "dense", 1, draft{keys{"rank": 2}, shapes{"x": {1}}}, "neither peft_type nor fine_tune_type"},
		{"nothing", "dense", 1, draft{keys{"peft_type": "LORA", "r": 1}, shapes{}}, "changes nothing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := apply(t, "testdata/"+tt.base, Spec{Dir: tt.draft.write(t), Scale: tt.scale})
			switch {
			case tt.says == "" && err != nil:
				t.Error(err)
			case tt.says != "" && (!errors.Is(err, ErrAdapter) || !strings.Contains(err.Error(), tt.says)):
				t.Errorf("got %v, want %q", err, tt.says)
			}
		})
	}
}

func apply(t *testing.T, base string, specs ...Spec) error {
	t.Helper()
	src, err := source.OpenDir(base)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	return Apply(src, specs)
}

// TestRefusesFiles: a directory that is none of an adapter's.
func TestRefusesFiles(t *testing.T) {
	broken := peftDraft(nil, nil).write(t)
	pickled := peftDraft(nil, nil).write(t)
	cut := peftDraft(nil, nil).write(t)
	err := errors.Join(
		os.WriteFile(filepath.Join(broken, configName), []byte(`{"peft_type":`), 0o644),
		os.Rename(filepath.Join(pickled, "adapter_model.safetensors"), filepath.Join(pickled, "adapter_model.bin")),
		os.Truncate(filepath.Join(cut, "adapter_model.safetensors"), 300),
	)
	if err != nil {
		t.Fatal(err)
	}
	for dir, says := range map[string]string{
		t.TempDir(): "there is no adapter_config.json", broken: "adapter_config.json: unexpected end",
		pickled: "no other form of an adapter's weights is read", cut: "cut short",
	} {
		if err := apply(t, "testdata/dense", Spec{Dir: dir, Scale: 1}); !errors.Is(err, ErrAdapter) || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
}

// TestNormForms: a norm is put in the place of one of the same form only.
func TestNormForms(t *testing.T) {
	d := peftDraft(nil, shapes{"base_model.model.model.norm.weight": {256}, qProj + ".lora_A.weight": nil, qProj + ".lora_B.weight": nil})
	err := apply(t, "../../testdata/qwen3.5-bf16", Spec{Dir: d.write(t), Scale: 1}) // in mlx form
	if err == nil || !strings.Contains(err.Error(), "a norm in raw form, as PEFT has it, and the model's norms are shifted") {
		t.Error(err)
	}
}

// TestOrder: adapters are fused one over the other, and one cannot replace what another has changed.
func TestOrder(t *testing.T) {
	plain := peftDraft(nil, nil).write(t)
	src := adapted(t, "testdata/dense", Spec{Dir: plain, Scale: 1}, Spec{Dir: plain, Scale: -1})
	name := "model.layers.0.self_attn.q_proj.weight"
	got, want := load(t, src, name), load(t, adapted(t, "testdata/dense"), name)
	near(t, "an adapter, and the same subtracted", got, want)
	whole := peftDraft(nil, shapes{strings.TrimSuffix(qProj, "") + ".weight": {32, 32}, qProj + ".lora_A.weight": nil, qProj + ".lora_B.weight": nil}).write(t)
	if err := apply(t, "testdata/dense", Spec{Dir: plain, Scale: 1}, Spec{Dir: whole, Scale: 1}); err == nil || !strings.Contains(err.Error(), "which an adapter before it has changed") {
		t.Error(err)
	}
	for i, x := range load(t, adapted(t, "testdata/dense", Spec{Dir: whole, Scale: 1}, Spec{Dir: plain, Scale: 0.5}), name) {
		if x != 3 { // 1, and two ranks of alpha/r times a half
			t.Fatalf("element %d is %g", i, x)
		}
	}
}

// TestExpertForms: one adapter does the same to experts that lie one by one and to fused ones.
func TestExpertForms(t *testing.T) {
	single := source.Tensor{Name: "model.layers.0.mlp.experts.gate_up_proj", Body: "layers.0.mlp.experts.gate_up_proj", Role: arch.Expert, Shape: []int{4, 48, 32}, Format: quant.FormatBF16}
	for module, want := range map[string]source.Update{
		"model.layers.0.mlp.experts.2.gate_proj": {First: 96, Rows: 24, Experts: 1},
		"model.layers.0.mlp.experts.2.up_proj":   {First: 120, Rows: 24, Experts: 1},
		"model.layers.0.mlp.switch_mlp.up_proj":  {First: 24, Rows: 24, Experts: 4, Step: 48},
	} {
		f := &fitting{bodies: map[string]source.Tensor{single.Body: single}}
		places, err := f.places(change{module: module, mlx: strings.Contains(module, "switch")})
		if err != nil || len(places) != 1 {
			t.Fatal(places, err)
		}
		p := places[0]
		if got := (source.Update{First: p.first, Rows: p.rows, Experts: p.experts, Step: p.step}); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %+v, want %+v", module, got, want)
		}
	}
}

func TestParseSpec(t *testing.T) {
	for text, want := range map[string]Spec{
		"style": {Dir: "style", Scale: 1}, "./a=0.5": {Dir: "./a", Scale: 0.5}, "a=b": {Dir: "a=b", Scale: 1}, "a=1=2": {Dir: "a=1", Scale: 2},
		"a=-1": {Dir: "a", Scale: -1}, "org/name@v1=2": {Dir: "org/name@v1", Scale: 2},
	} {
		if got, err := ParseSpec(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "=1", "a=0", "a=inf", "a=NaN"} {
		if got, err := ParseSpec(text); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

// FuzzRead: no config and no header does anything but an error or a list of changes.
func FuzzRead(f *testing.F) {
	for _, d := range []draft{peftDraft(nil, nil), mlxDraft(nil, nil), peftDraft(keys{"rank_pattern": keys{"q_proj": 2}}, shapes{"base_model.model.lm_head.weight": {48, 32}})} {
		config, err := json.Marshal(d.config)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(config, d.file(f))
	}
	f.Fuzz(func(t *testing.T, config, file []byte) {
		h, err := safetensors.ParseHeader(file, int64(len(file)))
		if err != nil {
			return
		}
		a := &Adapter{}
		if a.read(config, func(string) (safetensors.Header, error) { return h, nil }) == nil && len(a.changes)+len(a.replaced) == 0 {
			t.Error("it changes nothing")
		}
	})
}
