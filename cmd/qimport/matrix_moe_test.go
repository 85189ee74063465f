package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qimport/convert/safetensors"
	"qimport/convert/source"
	"qimport/quant"
	"qimport/runtime/runtimetest"
)

// No Qwen3-MoE was trained for the fixtures. This makes one of the dense Qwen3 that answers exactly
// like it: half of its experts are the dense layer with its inner units in another order each, the
// other half is noise. The router has a pair of opposite rows for each two of the first, and zeros
// for the noise, so that whatever comes in, the two highest scores are of experts that are right,
// and their weights add up to 1. A router that is read wrongly, experts in another order than the
// router's rows, or weights that do not add up, make noise of the answers.
const (
	madeExperts = 8 // the first half is right
	madeTopK    = 2
)

// qwen3MoE derives the checkpoint from the dense one in dir.
func qwen3MoE(t *testing.T, dir string) matrixSource {
	t.Helper()
	src, err := source.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	made := t.TempDir()
	chance := rand.New(rand.NewPCG(3, 128))
	var arrays []array
	for _, name := range src.Names() {
		w, err := src.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		arrays = append(arrays, withExperts(name, w, chance)...)
	}
	writeSafetensors(t, filepath.Join(made, "model.safetensors"), arrays)
	for _, name := range src.Files() {
		content, err := src.File(name)
		if err != nil {
			t.Fatal(err)
		}
		if name == "config.json" {
			content = moeConfig(t, content)
		}
		if err := os.WriteFile(filepath.Join(made, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return matrixSource{runtimetest.Fixture{Name: "qwen3-moe, derived from tiny-qwen3-hf", Worst: 5e-3}, made, dir}
}

// moeConfig is the config of the checkpoint that is made.
func moeConfig(t *testing.T, dense []byte) []byte {
	t.Helper()
	var c map[string]any
	if err := json.Unmarshal(dense, &c); err != nil {
		t.Fatal(err)
	}
	c["model_type"], c["architectures"] = "qwen3_moe", []string{"Qwen3MoeForCausalLM"}
	c["num_experts"], c["num_experts_per_tok"], c["norm_topk_prob"] = madeExperts, madeTopK, true
	c["moe_intermediate_size"], c["decoder_sparse_step"], c["mlp_only_layers"] = c["intermediate_size"], 1, []int{}
	c["rope_theta"], c["rope_scaling"] = 10000, nil // as releases of the time have it, and mlx-lm wants it
	delete(c, "rope_parameters")
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// array is one bf16 tensor of the checkpoint that is made.
type array struct {
	name  string
	shape []int
	data  []byte
}

// withExperts is what becomes of one tensor of the dense model.
func withExperts(name string, w quant.Tensor, chance *rand.Rand) []array {
	prefix, projection, ok := strings.Cut(strings.TrimSuffix(name, ".weight"), ".mlp.")
	if !ok {
		return []array{{name, w.Shape, bytes.Clone(w.Data)}}
	}
	var all []array
	for e := range madeExperts {
		one := array{fmt.Sprintf("%s.mlp.experts.%d.%s.weight", prefix, e, projection), w.Shape, nil}
		if e < madeExperts/2 {
			one.data = turnUnits(w, projection == "down_proj", e)
		} else {
			one.data = noise(quant.Elements(w.Shape), 0.5, chance)
		}
		all = append(all, one)
	}
	if projection == "gate_proj" {
		all = append(all, array{prefix + ".mlp.gate.weight", []int{madeExperts, w.Shape[1]}, routerRows(w.Shape[1], chance)})
	}
	return all
}

// turnUnits puts the first n inner units last: rows, or columns of the projection that reads them.
func turnUnits(w quant.Tensor, columns bool, n int) []byte {
	row := 2 * w.Shape[1]
	if !columns {
		return append(bytes.Clone(w.Data[n*row:]), w.Data[:n*row]...)
	}
	var out []byte
	for at := 0; at < len(w.Data); at += row {
		out = append(append(out, w.Data[at+2*n:at+row]...), w.Data[at:at+2*n]...)
	}
	return out
}

// routerRows are opposite pairs for the experts that are right, and zeros for those that are not.
func routerRows(columns int, chance *rand.Rand) []byte {
	var out []byte
	for range madeExperts / 4 {
		row := noise(columns, 0.1, chance)
		out = append(out, row...)
		for i := 1; i < len(row); i += 2 {
			row[i] ^= 0x80 // the sign
		}
		out = append(out, row...)
	}
	return append(out, make([]byte, len(out))...)
}

// noise is n normal numbers of this deviation as bf16.
func noise(n int, deviation float64, chance *rand.Rand) []byte {
	f := make([]float32, n)
	for i := range f {
		f[i] = float32(deviation * chance.NormFloat64())
	}
	out := make([]byte, 2*n)
	if err := quant.FromFloat32(out, quant.BF16, f); err != nil {
		panic(err) // the sizes are ours
	}
	return out
}

// writeSafetensors writes bf16 arrays as one shard.
func writeSafetensors(t *testing.T, path string, arrays []array) {
	t.Helper()
	data := map[string][]byte{}
	var tensors []safetensors.Tensor
	for _, a := range arrays {
		tensors = append(tensors, safetensors.Tensor{Name: a.name, Dtype: quant.BF16, Shape: a.shape})
		data[a.name] = a.data
	}
	h, err := safetensors.New(map[string]string{"format": "pt"}, tensors)
	if err != nil {
		t.Fatal(err)
	}
	b := h.Append(nil)
	for _, entry := range h.Tensors {
		b = append(b, data[entry.Name]...)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}
