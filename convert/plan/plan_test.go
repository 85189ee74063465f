package plan

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"qimport/arch"
	"qimport/convert/source"
	"qimport/quant"
	"qimport/quant/recipe"
)

// plain is a bf16 tensor of an inventory.
func plain(name string, role arch.Role, shape ...int) source.Tensor {
	return source.Tensor{Name: name, Shape: shape, Role: role, Format: quant.FormatBF16, Pieces: []source.Piece{{}}}
}

func blobNames(p Plan) []string {
	var out []string
	for _, b := range p.Blobs {
		out = append(out, b.Name)
	}
	return out
}

// singles are the projections of one layer's experts as a source has them one by one.
func singles() []source.Tensor {
	var out []source.Tensor
	for _, p := range []string{"down_proj", "gate_proj", "up_proj"} {
		t := plain("model.layers.0.mlp.experts."+p+".weight", arch.Expert, 4, 128, 128)
		t.Stacked, t.Pieces = true, make([]source.Piece, 4)
		out = append(out, t)
	}
	return out
}

func TestPlanGroupsExperts(t *testing.T) {
	lm := plain("lm_head.weight", arch.Head, 512, 128)
	fused := plain("model.layers.1.mlp.experts.gate_up_proj", arch.Expert, 4, 256, 128)
	inv := source.Inventory{Tensors: append([]source.Tensor{lm}, append(singles(), fused)...)}
	tests := []struct {
		typ  quant.Format
		want []string
	}{
		{quant.FormatNVFP4, []string{"lm_head.weight", fused.Name, "model.layers.0.mlp.experts"}},
		{quant.Format{}, []string{"lm_head.weight", fused.Name, "model.layers.0.mlp.experts"}},
		{quant.FormatInt4, []string{"lm_head.weight", fused.Name, "model.layers.0.mlp.experts.down_proj.weight",
			"model.layers.0.mlp.experts.gate_proj.weight", "model.layers.0.mlp.experts.up_proj.weight"}}, // down_proj is int8
	}
	for _, tt := range tests {
		p, err := New(inv, recipe.Recipe{Type: tt.typ}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := blobNames(p); !slices.Equal(got, tt.want) {
			t.Errorf("%s: blobs are %q, want %q", tt.typ, got, tt.want)
		}
	}
}

func TestPlanMTP(t *testing.T) {
	head := plain("mtp.fc.weight", arch.Linear, 128, 256)
	head.MTP = true
	body := plain("model.layers.0.mlp.up_proj.weight", arch.Linear, 256, 128)
	conv := plain("model.layers.0.linear_attn.conv1d.weight", arch.Conv, 64, 1, 4)
	tests := []struct {
		form    arch.NormForm
		mtp     MTP
		dropped bool
		warns   string
	}{
		{arch.NormsRaw, MTPAuto, false, ""},
		{arch.NormsRaw, MTPDrop, true, ""},
		{arch.NormsShifted, MTPAuto, true, "1 tensors of the MTP head are left out: its norms are neither around 0 nor around 1"},
		{arch.NormsShifted, MTPDrop, true, ""},
		{arch.NormsPlain, MTPAuto, false, ""},
	}
	for _, tt := range tests {
		p, err := New(source.Inventory{NormForm: tt.form, Tensors: []source.Tensor{conv, body, head}}, recipe.Recipe{}, Options{MTP: tt.mtp})
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.Contains(p.Dropped, head.Name); got != tt.dropped || len(p.Blobs) == 2 != tt.dropped {
			t.Errorf("%s, %d: dropped %t, %d blobs", tt.form, tt.mtp, got, len(p.Blobs))
		}
		if got := strings.Join(p.Warnings, "; "); (got == "") != (tt.warns == "") || !strings.Contains(got, tt.warns) {
			t.Errorf("%s, %d: warns %q, want %q", tt.form, tt.mtp, got, tt.warns)
		}
	}
}

// Ollama tells raw norms by conv1d or an MTP head; where it can see neither, the plan says so.
func TestPlanWarnsOfNorms(t *testing.T) {
	head := plain("mtp.fc.weight", arch.Linear, 128, 256)
	head.MTP = true
	body := plain("model.layers.0.mlp.up_proj.weight", arch.Linear, 256, 128)
	conv := plain("model.layers.0.linear_attn.conv1d.weight", arch.Conv, 64, 1, 4)
	for _, tt := range []struct {
		form    arch.NormForm
		tensors []source.Tensor
		mtp     MTP
		warns   bool
	}{
		{arch.NormsRaw, []source.Tensor{body}, MTPAuto, true},
		{arch.NormsRaw, []source.Tensor{body, head}, MTPDrop, true},
		{arch.NormsRaw, []source.Tensor{body, head}, MTPAuto, false},
		{arch.NormsRaw, []source.Tensor{conv, body}, MTPAuto, false},
		{arch.NormsShifted, []source.Tensor{body}, MTPAuto, false},
		{arch.NormsPlain, []source.Tensor{body}, MTPAuto, false},
	} {
		p, err := New(source.Inventory{NormForm: tt.form, Tensors: tt.tensors}, recipe.Recipe{}, Options{MTP: tt.mtp})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(strings.Join(p.Warnings, "; "), "Ollama will not"); got != tt.warns {
			t.Errorf("%s, %d tensors, %d: warns %q", tt.form, len(tt.tensors), tt.mtp, p.Warnings)
		}
	}
}

func TestPlanRefusesNamesThatMeet(t *testing.T) {
	inv := source.Inventory{Tensors: []source.Tensor{
		plain("model.layers.0.mlp.up_proj.weight", arch.Linear, 256, 128),
		plain("model.layers.0.mlp.up_proj.weight.scale", arch.Other, 256),
	}}
	if _, err := New(inv, recipe.Recipe{}, Options{}); err != nil {
		t.Errorf("unquantized, the names do not meet: %v", err)
	}
	_, err := New(inv, recipe.Recipe{Type: quant.FormatNVFP4}, Options{})
	if !errors.Is(err, source.ErrSource) || !strings.Contains(err.Error(), "up_proj.weight.scale") {
		t.Errorf("says %v", err)
	}
}

func TestStoreConfig(t *testing.T) {
	linear := plain("model.layers.0.mlp.up_proj.weight", arch.Linear, 256, 128)
	tests := []struct {
		name     string
		family   arch.Family
		vision   bool
		template string
		recipe   recipe.Recipe
		want     string
	}{
		{"release", arch.Qwen35, true, "{{ tools }}<function=<think></think>", recipe.Recipe{Type: quant.FormatNVFP4},
			`{"model_format":"safetensors","model_family":"","model_families":null,"model_type":"","file_type":"nvfp4","renderer":"qwen3.5","parser":"qwen3.5","requires":"0.19.0","capabilities":["completion","vision","tools","thinking"],"architecture":"","os":""}`},
		{"later template", arch.Qwen35MoE, false, "resolved_reasoning_effort preserve_thinking", recipe.Recipe{},
			`{"model_format":"safetensors","model_family":"","model_families":null,"model_type":"","file_type":"","renderer":"qwen3.8","parser":"qwen3.5","requires":"0.19.0","capabilities":["completion"],"architecture":"","os":""}`},
		{"Qwen3 that does not think", arch.Qwen3, false, "", recipe.Recipe{Type: quant.AffineFormat(4, 32)},
			`{"model_format":"safetensors","model_family":"","model_families":null,"model_type":"","file_type":"int4","renderer":"qwen3-coder","parser":"qwen3","requires":"0.19.0","capabilities":["completion"],"architecture":"","os":""}`},
		{"Qwen3 that thinks", arch.Qwen3MoE, false, "<think></think>", recipe.Recipe{},
			`{"model_format":"safetensors","model_family":"","model_families":null,"model_type":"","file_type":"","renderer":"qwen3-coder","parser":"qwen3","requires":"0.19.0","capabilities":["completion"],"architecture":"","os":""}`},
	}
	for _, tt := range tests {
		inv := source.Inventory{Config: arch.Config{Family: tt.family, HasVision: tt.vision}, Tensors: []source.Tensor{linear}}
		inv.Chat.Template.Text = tt.template
		p, err := New(inv, tt.recipe, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := string(p.Config.Encode()); got != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

func TestFileTypeOfQuantizedSources(t *testing.T) {
	tensors := func(formats ...quant.Format) []Tensor {
		var out []Tensor
		for _, f := range formats {
			out = append(out, Tensor{Target: f})
		}
		return out
	}
	tests := []struct {
		tensors []Tensor
		want    string
	}{
		{tensors(quant.FormatBF16, quant.FormatNVFP4, quant.FormatNVFP4), "nvfp4"},
		{tensors(quant.FormatNVFP4, quant.FormatInt8), ""},
		{tensors(quant.FormatBF16), ""},
	}
	for _, tt := range tests {
		if got := fileType(quant.Format{}, tt.tensors); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestPlanReport(t *testing.T) {
	inv := source.Inventory{Origin: "dir", Tensors: []source.Tensor{plain("lm_head.weight", arch.Head, 512, 128), plain("model.norm.weight", arch.Norm, 128)}}
	p, err := New(inv, recipe.Recipe{Type: quant.FormatMXFP8}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(p.Report(1<<26, 1000))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Schema  int `json:"schema"`
		Tensors []struct {
			Name   string `json:"name"`
			Shape  []int  `json:"shape"`
			Source string `json:"source"`
			Target string `json:"target"`
			Rule   string `json:"rule"`
			Bytes  int64  `json:"bytes"`
		} `json:"tensors"`
		Warnings      []string `json:"warnings"`
		BytesTotal    int64    `json:"bytes_total"`
		BitsPerWeight float64  `json:"bits_per_weight"`
		Peak          int64    `json:"peak_memory_bytes"`
		Free          int64    `json:"free_bytes"`
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	head := int64(512*128 + 512*4)
	if got.Schema != 1 || len(got.Tensors) != 2 || got.Warnings == nil || got.Free != 1000 || got.Peak <= 0 {
		t.Errorf("got %s", b)
	}
	first := got.Tensors[0]
	if first.Name != "lm_head.weight" || first.Source != "bf16" || first.Target != "mxfp8" || first.Rule != "policy ollama: lm_head takes 8 bit" || first.Bytes != head {
		t.Errorf("the first tensor is %+v", first)
	}
	if want := 8 * float64(head+256) / float64(512*128+128); got.BitsPerWeight != want {
		t.Errorf("%g bits a weight, want %g", got.BitsPerWeight, want)
	}
	if headers := got.BytesTotal - head - 256; headers <= 0 || headers > 1000 {
		t.Errorf("%d bytes in all, of which %d would be headers", got.BytesTotal, headers)
	}
}

func TestNumbersText(t *testing.T) {
	tests := []struct {
		numbers []int
		want    string
	}{
		{[]int{7}, "7"},
		{[]int{2, 0, 1}, "{0..2}"},
		{[]int{0, 1, 2, 4, 5, 6, 9}, "{0..2,4..6,9}"},
	}
	for _, tt := range tests {
		if got := NumbersText(tt.numbers); got != tt.want {
			t.Errorf("%v prints as %s, want %s", tt.numbers, got, tt.want)
		}
	}
}
