package tune

import (
	"fmt"
	"strings"
	"testing"

	"qimport/arch"
	"qimport/convert/plan"
	"qimport/quant"
	"qimport/quant/recipe"
)

// someTensors are those of a small hybrid model, all in one format.
func someTensors(f quant.Format) (all []plan.Tensor) {
	const body = "model.language_model."
	names := []string{body + "embed_tokens.weight", body + "norm.weight", "mtp.fc.weight"}
	for i := range 6 {
		layer := fmt.Sprintf("%slayers.%d.", body, i)
		if i%3 == 2 {
			names = append(names, layer+"self_attn.q_proj.weight")
		} else {
			names = append(names, layer+"linear_attn.in_proj_qkv.weight", layer+"linear_attn.in_proj_z.weight")
		}
		names = append(names, layer+"mlp.gate_proj.weight", layer+"mlp.up_proj.weight")
	}
	for _, name := range names {
		t := plan.Tensor{Name: name, Shape: []int{64, 64}, Source: quant.FormatBF16, Target: f, Bytes: 64 * 64 * int64(max(f.Bits, 1)) / 8}
		if strings.HasSuffix(name, "norm.weight") {
			t.Shape, t.Target = []int{64}, quant.FormatBF16
		}
		all = append(all, t)
	}
	return all
}

func inModel(name string) bool { return !strings.HasPrefix(name, "mtp.") }

func someChoice(by By) []Group {
	return Groups(someTensors(quant.FormatBF16), [][]plan.Tensor{someTensors(quant.FormatNVFP4), someTensors(quant.FormatInt8)}, by, inModel)
}

// TestGroups: what Ollama joins is one group, what stays in any format is none, and a kind has all its layers.
func TestGroups(t *testing.T) {
	for by, want := range map[By]string{
		ByLayer: "embed_tokens 1, layers.0.linear_attn.in_proj_qkv 2, layers.0.mlp.gate_proj 1, layers.0.mlp.up_proj 1, layers.1.linear_attn.in_proj_qkv 2",
		ByKind:  "embed_tokens 1, layers.*.linear_attn.in_proj_qkv 8, layers.*.mlp.gate_proj 6, layers.*.mlp.up_proj 6, layers.*.self_attn.q_proj 2",
	} {
		var got []string
		for _, g := range someChoice(by) {
			got = append(got, fmt.Sprintf("%s %d", g.Name, len(g.Members)))
			if len(g.Options) != 3 || !g.Options[0].Format.IsKeep() || g.Options[2].Format != quant.FormatInt8 || len(g.Options[1].Tensors) != len(g.Members) {
				t.Errorf("%s has the options %+v", g.Name, g.Options)
			}
		}
		if text := strings.Join(got, ", "); !strings.HasPrefix(text, want) {
			t.Errorf("groups are %s, want %s", text, want)
		}
	}
}

// TestRecipe: the lines are few, and give every tensor what was chosen.
func TestRecipe(t *testing.T) {
	all := someTensors(quant.FormatBF16)
	groups := someChoice(ByLayer)
	m := Mixture{Choice: make([]int, len(groups))}
	want := map[string]quant.Format{}
	for g, group := range groups {
		switch {
		case strings.Contains(group.Name, "mlp.gate_proj"), group.Name == "layers.4.mlp.up_proj":
			m.Choice[g] = 2
		case strings.Contains(group.Name, "mlp"), strings.Contains(group.Name, "q_proj"):
			m.Choice[g] = 1
		case group.Name == "layers.1.linear_attn.in_proj_qkv":
			m.Choice[g] = 2
		}
		for _, name := range group.Members {
			want[name] = group.Options[m.Choice[g]].Format
		}
	}
	text := Recipe(groups, m, all, []string{"one", "two"})
	const lines = `# one
# two
policy: keep
overrides:
  - "layers.*.mlp.gate_proj=int8"                           # 0 nats, 25 kB of 3.1 kB
  - "layers.{0..3,5}.mlp.up_proj=nvfp4"                     # 0 nats, 10 kB of 2.6 kB
  - "layers.1.linear_attn.{in_proj_qkv,in_proj_z}=int8"     # 0 nats, 8.2 kB of 1.0 kB
  - "layers.*.self_attn.q_proj=nvfp4"                       # 0 nats, 4.1 kB of 1.0 kB
  - "layers.4.mlp.up_proj=int8"                             # 0 nats, 4.1 kB of 512 B
`
	if squeeze(text) != squeeze(lines) {
		t.Errorf("the recipe is\n%s", text)
	}
	decided := decide(t, text, all)
	for i, tensor := range all {
		format, chosen := want[tensor.Name]
		if !chosen || format.IsKeep() {
			format = quant.FormatBF16
		}
		if decided[i].Format != format {
			t.Errorf("%s gets %s, want %s", tensor.Name, decided[i].Format, format)
		}
	}
	if text := Recipe(groups, Mixture{Choice: make([]int, len(groups))}, all, nil); text != "policy: keep\n" {
		t.Errorf("the recipe of nothing is %q", text)
	}
}

func squeeze(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}

// decide is what a recipe's text gives each tensor.
func decide(t *testing.T, text string, all []plan.Tensor) []recipe.Decision {
	t.Helper()
	r, err := recipe.Parse(strings.NewReader(text), "test")
	if err != nil {
		t.Fatal(err)
	}
	var subjects []recipe.Subject
	for _, tensor := range all {
		s := recipe.Subject{Name: tensor.Name, Shape: tensor.Shape, Source: tensor.Source}
		if len(tensor.Shape) == 1 {
			s.Fixed = arch.Norm.Fixed()
		}
		subjects = append(subjects, s)
	}
	decided, err := r.Decide(subjects)
	if err != nil {
		t.Fatal(err)
	}
	return decided
}

func TestNumbers(t *testing.T) {
	for want, all := range map[string][]int{"3": {3}, "{0,1}": {0, 1}, "{0..2}": {0, 1, 2}, "{0..2,5,7,8}": {0, 1, 2, 5, 7, 8}} {
		if got := numbers(all); got != want {
			t.Errorf("%v is %s, want %s", all, got, want)
		}
	}
}
