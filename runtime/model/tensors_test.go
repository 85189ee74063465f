package model

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"qimport/arch"
	"qimport/quant"
	"qimport/runtime/layer"
)

// shapes is a checkpoint of float32 zeros: names and shapes only.
type shapes map[string][]int

func (s shapes) Names() []string {
	var names []string
	for n := range s {
		names = append(names, n)
	}
	return names
}

func (s shapes) Pieces(name string) ([]quant.Tensor, error) {
	shape, ok := s[name]
	if !ok {
		return nil, fmt.Errorf("no tensor %s", name)
	}
	return []quant.Tensor{{Shape: shape, Format: quant.FormatF32, Data: make([]byte, 4*quant.Elements(shape))}}, nil
}

// stored is a checkpoint with the form of its norms.
type stored struct {
	shapes
	norms arch.NormForm
}

func (s stored) NormForm() arch.NormForm { return s.norms }
func (s stored) HeadForm() arch.NormForm { return s.norms }

// raw is a checkpoint as a release has it, plain one of a family whose norms have one form.
func raw(s shapes) stored   { return stored{s, arch.NormsRaw} }
func plain(s shapes) stored { return stored{s, arch.NormsPlain} }

// form is how a checkpoint spells what may be spelled in several ways.
type form struct {
	prefix, head string
	mlx          bool   // convolutions as MLX has them
	fused        bool   // Qwen3-Next's fused projections
	experts      string // "fused", "switch", "stacked", "single"
}

// config is a small model of a family: four layers, of which in hybrid families the last alone has
// full attention.
func config(family arch.Family) arch.Config {
	c := arch.Config{
		Family: family, VocabSize: 100, HiddenSize: 64, Intermediate: 128, Layers: 4, Heads: 4, KVHeads: 2, HeadDim: 32,
		NormEps: 1e-6, RoPE: arch.RoPE{Dims: 32, Theta: 1e6}, FullAttention: slices.Repeat([]bool{!family.Hybrid()}, 4),
		LinearKeyHeads: 2, LinearValueHeads: 4, LinearKeyHeadDim: 16, LinearValueHeadDim: 16, ConvKernel: 4,
		SparseLayer: slices.Repeat([]bool{family.Sparse()}, 4), Experts: 8, TopK: 2, ExpertWidth: 32, SharedWidth: 32,
	}
	c.FullAttention[3] = true
	if family == arch.Qwen3MoE {
		c.SharedWidth = 0
	}
	return c
}

// norms is the form of the norms that such a checkpoint has.
func (f form) norms(family arch.Family) arch.NormForm {
	switch {
	case !family.Hybrid():
		return arch.NormsPlain
	case f.mlx:
		return arch.NormsShifted
	}
	return arch.NormsRaw
}

// checkpoint lists the tensors of the base config of a family.
func checkpoint(family arch.Family, f form) shapes {
	s := shapes{f.prefix + "embed_tokens.weight": {100, 64}, f.prefix + "norm.weight": {64}, f.head: {100, 64}}
	for i := range 4 {
		p := fmt.Sprintf("%slayers.%d.", f.prefix, i)
		s[p+"input_layernorm.weight"], s[p+"post_attention_layernorm.weight"] = []int{64}, []int{64}
		query := 128
		if family.Hybrid() {
			query = 256
		}
		if family.Hybrid() && i != 3 {
			s.deltaNet(p+"linear_attn.", f)
		} else {
			s[p+"self_attn.q_proj.weight"], s[p+"self_attn.o_proj.weight"] = []int{query, 64}, []int{64, 128}
			s[p+"self_attn.k_proj.weight"], s[p+"self_attn.v_proj.weight"] = []int{64, 64}, []int{64, 64}
			s[p+"self_attn.q_norm.weight"], s[p+"self_attn.k_norm.weight"] = []int{32}, []int{32}
		}
		if !family.Sparse() {
			s.mlp(p+"mlp.", 128)
			continue
		}
		s[p+"mlp.gate.weight"] = []int{8, 64}
		s.experts(p+"mlp.", f.experts)
		if family != arch.Qwen3MoE {
			s[p+"mlp.shared_expert_gate.weight"] = []int{1, 64}
			s.mlp(p+"mlp.shared_expert.", 32)
		}
	}
	return s
}

func (s shapes) mlp(p string, inner int) {
	s[p+"gate_proj.weight"], s[p+"up_proj.weight"], s[p+"down_proj.weight"] = []int{inner, 64}, []int{inner, 64}, []int{64, inner}
}

func (s shapes) experts(p, spelling string) {
	switch spelling {
	case "fused":
		s[p+"experts.gate_up_proj"], s[p+"experts.down_proj"] = []int{8, 64, 64}, []int{8, 64, 32}
	case "single":
		for e := range 8 {
			s.mlp(fmt.Sprintf("%sexperts.%d.", p, e), 32)
		}
	default:
		q := p + map[string]string{"switch": "switch_mlp.", "stacked": "experts."}[spelling]
		s[q+"gate_proj.weight"], s[q+"up_proj.weight"], s[q+"down_proj.weight"] = []int{8, 32, 64}, []int{8, 32, 64}, []int{8, 64, 32}
	}
}

func (s shapes) deltaNet(p string, f form) {
	s[p+"conv1d.weight"] = []int{128, 1, 4}
	if f.mlx {
		s[p+"conv1d.weight"] = []int{128, 4, 1}
	}
	s[p+"A_log"], s[p+"dt_bias"], s[p+"norm.weight"], s[p+"out_proj.weight"] = []int{4}, []int{4}, []int{16}, []int{64, 64}
	if f.fused {
		s[p+"in_proj_qkvz.weight"], s[p+"in_proj_ba.weight"] = []int{192, 64}, []int{8, 64}
		return
	}
	s[p+"in_proj_qkv.weight"], s[p+"in_proj_z.weight"] = []int{128, 64}, []int{64, 64}
	s[p+"in_proj_b.weight"], s[p+"in_proj_a.weight"] = []int{4, 64}, []int{4, 64}
}

func open(t *testing.T, family arch.Family, s stored) (*Checkpoint, error) {
	t.Helper()
	return Open(config(family), s)
}

// elements counts those of all of a model's arrays.
func elements(d *Decoder) (n int) {
	for _, p := range d.Params() {
		n += quant.Elements(p.Shape)
	}
	for _, m := range d.Mapped() {
		n += int(m.Bytes()) / 4
	}
	return n
}

// TestForms finds the same model in every spelling: the arrays are as large as the tensors.
func TestForms(t *testing.T) {
	for _, tt := range []struct {
		family arch.Family
		form   form
	}{
		{arch.Qwen3, form{prefix: "model.", head: "lm_head.weight"}},
		{arch.Qwen3MoE, form{prefix: "model.", head: "lm_head.weight", experts: "single"}},
		{arch.Qwen3MoE, form{prefix: "model.", head: "lm_head.weight", experts: "switch"}},
		{arch.Qwen3Next, form{prefix: "model.", head: "lm_head.weight", fused: true, experts: "single"}},
		{arch.Qwen3Next, form{prefix: "model.", head: "lm_head.weight", fused: true, experts: "switch", mlx: true}},
		{arch.Qwen35, form{prefix: "model.language_model.", head: "lm_head.weight"}},
		{arch.Qwen35, form{prefix: "language_model.model.", head: "language_model.lm_head.weight", mlx: true}},
		{arch.Qwen35, form{prefix: "language_model.", head: "language_model.lm_head.weight", mlx: true}},
		{arch.Qwen35, form{prefix: "model.", head: "lm_head.weight"}},
		{arch.Qwen35MoE, form{prefix: "model.language_model.", head: "lm_head.weight", experts: "fused"}},
		{arch.Qwen35MoE, form{prefix: "model.language_model.", head: "lm_head.weight", experts: "stacked"}},
		{arch.Qwen35MoE, form{prefix: "language_model.model.", head: "language_model.lm_head.weight", experts: "switch", mlx: true}},
	} {
		t.Run(fmt.Sprintf("%s/%+v", tt.family, tt.form), func(t *testing.T) {
			s := checkpoint(tt.family, tt.form)
			ck, err := open(t, tt.family, stored{s, tt.form.norms(tt.family)})
			if err != nil {
				t.Fatal(err)
			}
			d, err := ck.Decoder(layer.Compute{State: quant.F32, Decay: quant.F32})
			if err != nil {
				t.Fatal(err)
			}
			want := 0
			for _, shape := range s {
				want += quant.Elements(shape)
			}
			if tt.family.Hybrid() {
				want += 3 * 4 // the constant scales of queries and keys
			}
			if got := elements(d); got != want {
				t.Errorf("the model has %d elements, the checkpoint %d", got, want)
			}
		})
	}
}

// TestTensorsRefused damages a good checkpoint.
func TestTensorsRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		damage func(shapes)
		words  []string
	}{
		{"no embedding", func(s shapes) { delete(s, "model.embed_tokens.weight") }, []string{"embed_tokens.weight", "language_model.model."}},
		{"one missing", func(s shapes) { delete(s, "model.layers.1.linear_attn.A_log") }, []string{"model.layers.1.linear_attn.A_log, [4], is missing"}},
		{"wrong shape", func(s shapes) { s["model.layers.3.self_attn.k_proj.weight"] = []int{65, 64} },
			[]string{"model.layers.3.self_attn.k_proj.weight has the shape [65 64]; the config asks for [64 64]"}},
		{"no output gate", func(s shapes) { s["model.layers.3.self_attn.q_proj.weight"] = []int{128, 64} }, []string{"[256 64]"}},
		{"two forms", func(s shapes) { s["model.layers.0.linear_attn.conv1d.weight"] = []int{128, 4, 1} }, []string{"model.layers.0.linear_attn.conv1d.weight has the shape [128 4 1]; the config asks for [128 1 4]"}},
		{"one tensor, two spellings", func(s shapes) { s["model.language_model.norm.weight"] = []int{64} },
			[]string{"model.norm.weight", "model.language_model.norm.weight", "two spellings"}},
		{"other kind of layer", func(s shapes) { s["model.layers.3.linear_attn.A_log"] = []int{4} }, []string{"layer 3", "full_attention_interval"}},
		{"all missing", func(s shapes) {
			for n := range s {
				if n != "model.embed_tokens.weight" {
					delete(s, n)
				}
			}
		}, []string{"model.norm.weight", "more"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := checkpoint(arch.Qwen35, form{prefix: "model.", head: "lm_head.weight"})
			tt.damage(s)
			ck, err := open(t, arch.Qwen35, raw(s))
			if err == nil {
				_, err = ck.Decoder(layer.Compute{})
			}
			if !errors.Is(err, ErrTensors) || slices.ContainsFunc(tt.words, func(w string) bool { return !strings.Contains(err.Error(), w) }) {
				t.Errorf("got %v, want %q", err, tt.words)
			}
		})
	}
}

// TestNormForm adds 1 to raw norms, all but the gated one of linear attention, whether there is any
// conv1d or not; a form that the family has not is refused.
func TestNormForm(t *testing.T) {
	full := config(arch.Qwen35)
	full.FullAttention = slices.Repeat([]bool{true}, 4)
	attention := checkpoint(arch.Qwen35, form{prefix: "model.", head: "lm_head.weight"})
	for name, shape := range checkpoint(arch.Qwen35, form{prefix: "model.", head: "lm_head.weight"}) {
		if i := strings.Index(name, "layers.3.self_attn."); i >= 0 {
			for _, n := range []string{"0", "1", "2"} {
				attention[strings.Replace(name, ".3.", "."+n+".", 1)] = shape
			}
		}
	}
	for name := range attention {
		if strings.Contains(name, "linear_attn") {
			delete(attention, name)
		}
	}
	for _, tt := range []struct {
		name   string
		config arch.Config
		s      shapes
		norms  arch.NormForm
		gain   float32 // of weights of zero
	}{
		{"raw", config(arch.Qwen35), checkpoint(arch.Qwen35, form{prefix: "model.", head: "lm_head.weight"}), arch.NormsRaw, 1},
		{"shifted", config(arch.Qwen35), checkpoint(arch.Qwen35, form{prefix: "model.", head: "lm_head.weight", mlx: true}), arch.NormsShifted, 0},
		{"raw, full attention only", full, attention, arch.NormsRaw, 1},
		{"shifted, full attention only", full, attention, arch.NormsShifted, 0},
		{"plain", config(arch.Qwen3), checkpoint(arch.Qwen3, form{prefix: "model.", head: "lm_head.weight"}), arch.NormsPlain, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ck, err := Open(tt.config, stored{tt.s, tt.norms})
			if err != nil {
				t.Fatal(err)
			}
			d, err := ck.Decoder(layer.Compute{State: quant.F32, Decay: quant.F32})
			if err != nil {
				t.Fatal(err)
			}
			norms := 0
			for _, p := range d.Params() {
				body := arch.Body(p.Name)
				if arch.RoleOf(body) != arch.Norm {
					continue
				}
				norms++
				b, got := make([]byte, p.Bytes()), []float32{0}
				if err := p.Fill(b); err != nil {
					t.Fatal(err)
				}
				if err := quant.ToFloat32(got, b[:4], quant.F32); err != nil {
					t.Fatal(err)
				}
				if want := tt.gain; arch.ZeroCentred(body) && got[0] != want || !arch.ZeroCentred(body) && got[0] != 0 {
					t.Errorf("%s has the gain %g, want %g", p.Name, got[0], want)
				}
			}
			if norms < 9 {
				t.Errorf("only %d norms", norms)
			}
		})
	}
	for family, norms := range map[arch.Family]arch.NormForm{arch.Qwen35: arch.NormsPlain, arch.Qwen3: arch.NormsRaw} {
		_, err := Open(config(family), stored{checkpoint(family, form{prefix: "model.", head: "lm_head.weight"}), norms})
		if !errors.Is(err, ErrTensors) || !strings.Contains(err.Error(), "are said to be "+norms.String()) {
			t.Errorf("%s with norms %s: %v", family, norms, err)
		}
	}
}

// TestBiases wants those of the attention layers where the config says so.
func TestBiases(t *testing.T) {
	s := checkpoint(arch.Qwen3, form{prefix: "model.", head: "lm_head.weight"})
	for i := range 4 {
		p := fmt.Sprintf("model.layers.%d.self_attn.", i)
		s[p+"q_proj.bias"], s[p+"k_proj.bias"], s[p+"v_proj.bias"] = []int{128}, []int{64}, []int{64}
	}
	c := config(arch.Qwen3)
	c.AttentionBias = true
	ck, err := Open(c, plain(s))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ck.Decoder(layer.Compute{}); err == nil || !strings.Contains(err.Error(), "model.layers.0.self_attn.o_proj.bias, [64], is missing") {
		t.Errorf("got %v", err)
	}
	for i := range 4 {
		s[fmt.Sprintf("model.layers.%d.self_attn.o_proj.bias", i)] = []int{64}
	}
	if ck, err = Open(c, plain(s)); err != nil {
		t.Fatal(err)
	}
	d, err := ck.Decoder(layer.Compute{})
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	for _, shape := range s {
		want += quant.Elements(shape)
	}
	if got := elements(d); got != want {
		t.Errorf("the model has %d elements, the checkpoint %d", got, want)
	}
}

// TestTied uses the embedding as the output matrix where the config says so, and where there is no other.
func TestTied(t *testing.T) {
	f := form{prefix: "model.", head: "lm_head.weight"}
	with, without := checkpoint(arch.Qwen3, f), checkpoint(arch.Qwen3, f)
	delete(without, f.head)
	for _, tt := range []struct {
		tie  bool
		s    shapes
		want bool
	}{{true, with, true}, {false, with, false}, {false, without, true}} {
		c := config(arch.Qwen3)
		c.Output = map[bool]arch.Output{true: arch.HeadTied, false: arch.HeadOwn}[tt.tie]
		ck, err := Open(c, plain(tt.s))
		if err != nil {
			t.Fatal(err)
		}
		d, err := ck.Decoder(layer.Compute{})
		if err != nil || d.tied != tt.want {
			t.Errorf("tie %v: tied is %v, %v", tt.tie, d.tied, err)
		}
	}
}

// numbered is a checkpoint whose matrices hold, in every column, the number of the row.
type numbered struct{ stored }

func (n numbered) Pieces(name string) ([]quant.Tensor, error) {
	pieces, err := n.stored.Pieces(name)
	if err != nil || len(pieces[0].Shape) < 2 {
		return pieces, err
	}
	t := pieces[0]
	f, cols := make([]float32, quant.Elements(t.Shape)), quant.Columns(t.Shape)
	for i := range f {
		f[i] = float32(i / cols)
	}
	return pieces, quant.FromFloat32(t.Data, quant.F32, f)
}

// TestInterleaved parts Qwen3-Next's fused projections: 2 key heads, each with the rows of its query
// (16) and key (16), and of the values (2*16) and gates (2*16) of its 2 value heads; then 2 of beta
// and 2 of the decay.
func TestInterleaved(t *testing.T) {
	s := checkpoint(arch.Qwen3Next, form{prefix: "model.", head: "lm_head.weight", fused: true, experts: "single"})
	ck, err := open(t, arch.Qwen3Next, raw(s))
	if err != nil {
		t.Fatal(err)
	}
	ck.weights = numbered{raw(s)}
	d, err := ck.Decoder(layer.Compute{State: quant.F32, Decay: quant.F32})
	if err != nil {
		t.Fatal(err)
	}
	in := d.Blocks[0].Mixer.Params()[0]
	b := make([]byte, in.Bytes())
	if err := in.Fill(b); err != nil {
		t.Fatal(err)
	}
	f := make([]float32, len(b)/4)
	if err := quant.ToFloat32(f, b, quant.F32); err != nil {
		t.Fatal(err)
	}
	var want []float32
	for _, span := range [][2]int{
		{0, 16}, {96, 112}, // queries
		{16, 32}, {112, 128}, // keys
		{32, 64}, {128, 160}, // values
		{64, 96}, {160, 192}, // gates
		{0, 2}, {4, 6}, {2, 4}, {6, 8}, // beta and decay, of the other matrix
	} {
		for row := span[0]; row < span[1]; row++ {
			want = append(want, float32(row))
		}
	}
	for row, number := range want {
		if got := f[row*64]; got != number {
			t.Fatalf("row %d is row %g of what is stored, want %g", row, got, number)
		}
	}
}
