package arch

import (
	"slices"
	"strings"
	"testing"
)

func tiny(f Family) Config {
	return Config{
		Family: f, VocabSize: 32, HiddenSize: 16, Intermediate: 24, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 8, Output: HeadOwn,
		FullAttention: []bool{!f.Hybrid(), true}, LinearKeyHeads: 2, LinearValueHeads: 4, LinearKeyHeadDim: 8, LinearValueHeadDim: 8, ConvKernel: 4,
		SparseLayer: []bool{f.Sparse(), f.Sparse()}, Experts: 4, ExpertWidth: 8, SharedWidth: 8,
	}
}

// whole is the shapes of a checkpoint that takes the way-th way of every choice, or the last.
func whole(c Config, way int) map[string][]int {
	have := map[string][]int{}
	for _, choice := range c.Needs() {
		for _, need := range choice[min(way, len(choice)-1)] {
			have[need.Body] = need.Shapes[len(need.Shapes)-1]
		}
	}
	return have
}

func TestCheckTakesEveryForm(t *testing.T) {
	for _, f := range Families() {
		for way := range 3 {
			if found := tiny(f).Check(whole(tiny(f), way)); len(found) > 0 {
				t.Errorf("%s, form %d: %+v", f, way, found)
			}
		}
	}
}

func TestCheckFinds(t *testing.T) {
	for _, c := range []struct {
		name   string
		family Family
		edit   func(have map[string][]int)
		body   string
		says   string
	}{
		{"nothing there", Qwen3, func(have map[string][]int) { clear(have) }, "embed_tokens.weight", "is needed"},
		{"bare stack", Qwen35MoE, func(have map[string][]int) { delete(have, "layers.1.mlp.experts.down_proj") }, "layers.1.mlp.experts.down_proj", "shape [4 16 8]"},
		{"attention without its gate", Qwen35, func(have map[string][]int) { have["layers.1.self_attn.q_proj.weight"] = []int{32, 16} },
			"layers.1.self_attn.q_proj.weight", "has shape [32 16], the config needs [64 16]"},
		{"conv1d of neither form", Qwen35, func(have map[string][]int) { have["layers.0.linear_attn.conv1d.weight"] = []int{64, 4} },
			"layers.0.linear_attn.conv1d.weight", "[64 1 4] or [64 4 1]"},
		{"two forms of the experts", Qwen35MoE, func(have map[string][]int) { have["layers.0.mlp.switch_mlp.up_proj.weight"] = []int{4, 8, 16} },
			"layers.0.mlp.switch_mlp.gate_proj.weight", "second form"},
		{"a layer too many", Qwen3, func(have map[string][]int) { have["layers.2.x"] = nil }, "layers.2.x", "2 layers"},
	} {
		t.Run(c.name, func(t *testing.T) {
			have := whole(tiny(c.family), 0)
			c.edit(have)
			found := tiny(c.family).Check(have)
			i := slices.IndexFunc(found, func(f Finding) bool { return f.Body == c.body })
			if i < 0 || !strings.Contains(found[i].Problem, c.says) {
				t.Errorf("found %+v", found)
			}
		})
	}
}

func TestCheckMTP(t *testing.T) {
	for _, f := range []Family{Qwen35, Qwen35MoE} {
		c := tiny(f)
		have := map[string][]int{}
		if found := c.CheckMTP(have); len(found) > 0 {
			t.Errorf("%s without a head: %+v", f, found)
		}
		for _, choice := range mtp(c) {
			for _, need := range choice[0] {
				have[need.Body] = need.Shapes[0]
			}
		}
		if found := c.CheckMTP(have); len(found) > 0 {
			t.Errorf("%s: %+v", f, found)
		}
		delete(have, "mtp.fc.weight")
		if found := c.CheckMTP(have); len(found) != 1 || !found[0].Missing {
			t.Errorf("%s without mtp.fc: %+v", f, found)
		}
	}
}
