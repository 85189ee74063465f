package source

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qimport/arch"
	"qimport/convert/safetensors"
	"qimport/quant"
)

// build is a small checkpoint in the making: a model of two layers that a test changes before it is
// written. Weights are zero, norms around 0 or 1 as the form has them.
type build struct {
	config map[string]any
	text   map[string]any // text_config, or config itself in flat families
	arrays map[string]arrayData
	files  map[string]string
	shards int // 1 or 2
}

type arrayData struct {
	dtype quant.Dtype
	shape []int
	data  []byte
}

func newArray(d quant.Dtype, shape ...int) arrayData {
	return arrayData{d, shape, make([]byte, quant.Elements(shape)*d.Size())}
}

// release and mlx are the forms of a build.
const (
	release = false
	mlx     = true
)

// newBuild makes a whole model in bf16.
func newBuild(t testing.TB, family arch.Family, converted bool) *build {
	t.Helper()
	b := &build{shards: 1, arrays: map[string]arrayData{}, files: map[string]string{
		"tokenizer.json":        `{"model":{"vocab":{"a":0,"b":1}},"added_tokens":[{"id":2,"content":"<|im_end|>"}]}`,
		"tokenizer_config.json": `{"eos_token":"<|im_end|>"}`,
		"chat_template.jinja":   `{{ content }}<|im_end|>`,
	}}
	b.text = map[string]any{
		"model_type": string(family), "vocab_size": 32, "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2,
		"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32, "tie_word_embeddings": false, "eos_token_id": 2,
		"linear_num_key_heads": 2, "linear_num_value_heads": 4,
		"linear_key_head_dim": 32, "linear_value_head_dim": 32, "linear_conv_kernel_dim": 4,
		"num_experts": 4, "num_experts_per_tok": 2, "rope_theta": 1e6, "moe_intermediate_size": 128, "shared_expert_intermediate_size": 128,
	}
	if family == arch.Qwen3VLMoE { // whose releases have [experts, in, out]: no two axes of a stack are alike
		b.text["moe_intermediate_size"] = 96
	}
	if family.Hybrid() {
		b.text["layer_types"] = []string{"linear_attention", "full_attention"}
	}
	b.config = b.text
	if family.Nested() {
		b.text["model_type"] = string(family) + "_text"
		b.config = map[string]any{"model_type": string(family), "text_config": b.text}
	}
	b.fillArrays(t, family, converted)
	return b
}

// fillArrays makes the tensors that the config needs, in place of those that are there.
func (b *build) fillArrays(t testing.TB, family arch.Family, converted bool) {
	t.Helper()
	clear(b.arrays)
	text, head := "model.", "lm_head.weight"
	if family.Nested() {
		text = "model.language_model."
		if converted {
			text, head = "language_model.model.", "language_model.lm_head.weight"
		}
	}
	config := b.parse(t)
	for _, choice := range config.Needs() {
		way := choice[0]
		if len(choice) == 3 && converted { // switch_mlp
			way = choice[2]
		}
		for _, need := range way {
			name := text + need.Body
			if need.Body == "lm_head.weight" {
				name = head
			}
			if family == arch.Qwen3VLMoE && isFused(need.Body) {
				s := need.Shapes[0]
				need.Shapes = [][]int{{s[0], s[2], s[1]}}
			}
			b.arrays[name] = plainArray(need, config.Family.Hybrid(), converted)
		}
	}
}

func plainArray(need arch.Need, hybrid, converted bool) arrayData {
	shape := need.Shapes[0]
	if converted && len(need.Shapes) > 1 {
		shape = need.Shapes[1]
	}
	a := newArray(quant.BF16, shape...)
	if arch.RoleOf(need.Body) == arch.Norm {
		center := float32(1)
		if hybrid && !converted {
			center = 0
		}
		fill(a, func(i int) float32 { return center + float32(i%5-2)*0.125 })
	}
	return a
}

// fill sets a bf16 or f32 array element by element.
func fill(a arrayData, value func(i int) float32) {
	values := make([]float32, quant.Elements(a.shape))
	for i := range values {
		values[i] = value(i)
	}
	if err := quant.FromFloat32(a.data, a.dtype, values); err != nil {
		panic(err)
	}
}

func (b *build) parse(t testing.TB) arch.Config {
	t.Helper()
	c, err := arch.ParseConfig(b.configJSON())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (b *build) configJSON() []byte {
	raw, err := json.Marshal(b.config)
	if err != nil {
		panic(err)
	}
	return raw
}

// name finds the one tensor whose name ends so.
func (b *build) name(suffix string) string {
	var found []string
	for name := range b.arrays {
		if strings.HasSuffix(name, suffix) {
			found = append(found, name)
		}
	}
	if len(found) != 1 {
		panic(suffix + " is the suffix of " + strings.Join(found, ", "))
	}
	return found[0]
}

// write writes the checkpoint to a folder of the test's.
func (b *build) write(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	names := slices.Sorted(maps.Keys(b.arrays))
	if b.shards == 2 {
		b.writeShard(t, dir, "model-00001-of-00002.safetensors", names[:len(names)/2])
		b.writeShard(t, dir, "model-00002-of-00002.safetensors", names[len(names)/2:])
	} else {
		b.writeShard(t, dir, "model.safetensors", names)
	}
	files := map[string]string{}
	maps.Copy(files, b.files)
	files["config.json"] = string(b.configJSON())
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (b *build) writeShard(t testing.TB, dir, name string, names []string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), b.blob(t, nil, names), 0o644); err != nil {
		t.Fatal(err)
	}
}

// blob is a safetensors file of these arrays.
func (b *build) blob(t testing.TB, metadata map[string]string, names []string) []byte {
	t.Helper()
	var tensors []safetensors.Tensor
	for _, n := range names {
		tensors = append(tensors, safetensors.Tensor{Name: n, Dtype: b.arrays[n].dtype, Shape: b.arrays[n].shape})
	}
	h, err := safetensors.New(metadata, tensors)
	if err != nil {
		t.Fatal(err)
	}
	out := h.Append(nil)
	for _, e := range h.Tensors {
		out = append(out, b.arrays[e.Name].data...)
	}
	return out
}

// The encodings: each replaces the tensor whose name ends so.

// mlx packs "….weight" in a format of MLX, with scales and biases beside it.
func (b *build) mlx(suffix string, f quant.Format) {
	name := b.name(suffix)
	path := strings.TrimSuffix(name, ".weight")
	l, err := f.Layout(b.arrays[name].shape, quant.BF16)
	if err != nil {
		panic(err)
	}
	b.arrays[name] = newArray(l.Weight.Dtype, l.Weight.Shape...)
	b.arrays[path+".scales"] = newArray(l.Scales.Dtype, l.Scales.Shape...)
	if f.Mode == quant.Affine {
		b.arrays[path+".biases"] = newArray(l.Biases.Dtype, l.Biases.Shape...)
	}
}

// mlxAll packs every projection, and says so in the config.
func (b *build) mlxAll(f quant.Format) {
	for _, name := range slices.Sorted(maps.Keys(b.arrays)) {
		if r := arch.RoleOf(arch.Body(name)); r == arch.Linear || r == arch.Embedding || r == arch.Head || r == arch.Expert {
			b.mlx(name, f)
		}
	}
	b.config["quantization"] = map[string]any{"group_size": f.GroupSize, "bits": f.Bits, "mode": f.Mode.String()}
}

// entry adds a per-path entry to the quantization block.
func (b *build) entry(path string, value any) {
	b.config["quantization"].(map[string]any)[path] = value
}

// blockFP8 makes a tensor e4m3 with scales of that shape under that suffix.
func (b *build) blockFP8(suffix, scaleSuffix string, d quant.Dtype, scales ...int) {
	name := b.name(suffix)
	b.arrays[name] = newArray(quant.F8E4M3, b.arrays[name].shape...)
	b.arrays[name+scaleSuffix] = newArray(d, scales...)
}

// compressed makes a tensor nvfp4 as compressed-tensors has it.
func (b *build) compressed(suffix string) {
	name := b.name(suffix)
	shape := b.arrays[name].shape
	delete(b.arrays, name)
	b.arrays[name+"_packed"] = newArray(quant.U8, shape[0], shape[1]/2)
	b.arrays[name+"_scale"] = newArray(quant.F8E4M3, shape[0], shape[1]/16)
	b.arrays[name+"_global_scale"] = newArray(quant.F32, 1)
	fill(b.arrays[name+"_global_scale"], func(int) float32 { return 4 })
	b.arrays[strings.TrimSuffix(name, ".weight")+".input_global_scale"] = newArray(quant.F32, 1)
}

// modelOpt makes a tensor nvfp4 as ModelOpt has it.
func (b *build) modelOpt(suffix string) {
	name := b.name(suffix)
	shape := b.arrays[name].shape
	b.arrays[name] = newArray(quant.U8, shape[0], shape[1]/2)
	b.arrays[name+"_scale"] = newArray(quant.F8E4M3, shape[0], shape[1]/16)
	b.arrays[name+"_scale_2"] = newArray(quant.F32)
	fill(b.arrays[name+"_scale_2"], func(int) float32 { return 0.25 })
	b.arrays[strings.TrimSuffix(name, ".weight")+".input_scale"] = newArray(quant.F32)
}

// single takes the experts' stacks apart: gate_up_proj and down_proj of the release form to one
// tensor for each expert and projection.
func (b *build) single() {
	for _, name := range slices.Sorted(maps.Keys(b.arrays)) {
		container, proj, ok := strings.Cut(name, ".experts.")
		if !ok {
			continue
		}
		shape := b.arrays[name].shape
		delete(b.arrays, name)
		for e := range shape[0] {
			one := container + ".experts." + string(rune('0'+e))
			if proj == "down_proj" {
				b.arrays[one+".down_proj.weight"] = newArray(quant.BF16, shape[1], shape[2])
				continue
			}
			b.arrays[one+".gate_proj.weight"] = newArray(quant.BF16, shape[1]/2, shape[2])
			b.arrays[one+".up_proj.weight"] = newArray(quant.BF16, shape[1]/2, shape[2])
		}
	}
}
