package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"qimport/arch"
	"qimport/convert/source"
	"qimport/quant"
)

// warnings says what will run worse, or elsewhere not at all, one sentence each.
func warnings(inv source.Inventory, tensors []Tensor, mtp MTP, dropped []string) []string {
	out := warnMTP(inv, mtp, tensors, dropped)
	out = append(out, warnNorms(inv, tensors)...)
	out = append(out, warnRouters(tensors)...)
	out = append(out, warnPairs(tensors)...)
	out = append(out, warnNames(tensors)...)
	return append(out, warnTransforms(tensors)...)
}

// warnMTP says what becomes of the multi-token-prediction head.
func warnMTP(inv source.Inventory, mtp MTP, tensors []Tensor, dropped []string) []string {
	if len(dropped) > 0 && mtp == MTPAuto {
		return []string{fmt.Sprintf("the %d tensors of the MTP head are left out: %s", len(dropped), harmOfHead(inv))}
	}
	norms, wide := 0, 0
	for _, t := range tensors {
		if t.Transform == SubtractOne {
			norms++
			wide += one(t.Target == quant.FormatF32 && t.Source != quant.FormatF32)
		}
	}
	if norms == 0 {
		return nil
	}
	return []string{fmt.Sprintf("the model is stored in release form, which Ollama takes for granted where there is an MTP head: %d norms less 1 (%d of them in float32, so that nothing is lost), conv1d's axes moved; it computes the same", norms, wide)}
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// warnNorms says that Ollama will not know the norms of a hybrid model for raw ones: it tells them by
// the axes of conv1d, or by an MTP head.
func warnNorms(inv source.Inventory, tensors []Tensor) []string {
	tells := func(t Tensor) bool { return t.From.Role == arch.Conv || t.From.MTP }
	if inv.NormForm != arch.NormsRaw || slices.ContainsFunc(tensors, tells) {
		return nil
	}
	return []string{"the norms lack their 1, as in a release, and no conv1d says so: qimport adds it, Ollama will not and answer noise"}
}

// warnRouters names routers that the producer has quantized to less than eight bits, or to floats of
// eight, which have three bits of precision: tokens go to other experts than the model was trained for.
func warnRouters(tensors []Tensor) []string {
	count, first := 0, ""
	for _, t := range tensors {
		coarse := t.Source.IsQuantized() && (t.Source.Mode != quant.Affine && !t.Source.IsColumns() || t.Source.Bits < 8)
		if t.From.Role != arch.Router || !coarse {
			continue
		}
		if count++; first == "" {
			first = fmt.Sprintf("%s is %s", t.Name, t.Source)
		}
	}
	if count == 0 {
		return nil
	}
	return []string{fmt.Sprintf("the source has %d routers quantized (%s): tokens may go to other experts than those that were trained for them", count, first)}
}

// joined are projections that Ollama concatenates at load: of two types, both become dense there.
var joined = [][2]string{
	{"linear_attn.in_proj_qkv.weight", "linear_attn.in_proj_z.weight"},
	{"linear_attn.in_proj_b.weight", "linear_attn.in_proj_a.weight"},
	{"experts.gate_proj.weight", "experts.up_proj.weight"},
	{"switch_mlp.gate_proj.weight", "switch_mlp.up_proj.weight"},
}

// JoinedAs is the name of the tensor that Ollama joins one with when it loads them, the first of the two: those of
// one such name must share a type. It is the tensor's own where it joins none.
func JoinedAs(name string) string {
	for _, pair := range joined {
		if stem, ok := strings.CutSuffix(name, pair[1]); ok {
			return stem + pair[0]
		}
	}
	return name
}

// warnPairs counts, for each kind of pair, the layers in which its two types differ.
func warnPairs(tensors []Tensor) []string {
	target := map[string]quant.Format{}
	for _, t := range tensors {
		target[t.Name] = t.Target
	}
	var out []string
	for _, pair := range joined {
		first, count := "", 0
		for _, t := range tensors {
			stem, ok := strings.CutSuffix(t.Name, pair[0])
			other, known := target[stem+pair[1]]
			if !ok || !known || other == t.Target {
				continue
			}
			if count++; first == "" {
				first = fmt.Sprintf("%s and %s in %s", t.Target, other, strings.TrimSuffix(stem, "."))
			}
		}
		if count > 0 {
			out = append(out, fmt.Sprintf("%s and %s differ in type in %d layers (%s): Ollama joins them and keeps both unquantized in memory",
				pair[0], pair[1], count, first))
		}
	}
	return out
}

// warnNames names the formats for which Ollama has no name.
func warnNames(tensors []Tensor) []string {
	first := map[string]Tensor{}
	for _, t := range tensors {
		f := t.Target
		if f.Mode != quant.Affine || f.Bits == 4 || f.Bits == 8 {
			continue
		}
		if _, known := first[f.String()]; !known {
			first[f.String()] = t
		}
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(first)) {
		t := first[name]
		out = append(out, fmt.Sprintf("Ollama has no name for %s (first in %s), so only qimport can run the model; for both, %s", name, t.Name, namedInstead(t)))
	}
	return out
}

// namedInstead says how a tensor gets a format that Ollama has a name for: by the flag that gave it the
// other, and with leave where the source is quantized already.
func namedInstead(t Tensor) string {
	how := "-q int4 or -q int8"
	if strings.HasSuffix(t.Rule, "'") { // a rule that a user wrote
		how = "int4 or int8 in " + t.Rule
	}
	if t.Source.IsQuantized() {
		how += " with --allow-requantize"
	}
	return how
}

// warnTransforms says which tensors lose numbers without having been asked to.
func warnTransforms(tensors []Tensor) []string {
	var out []string
	var fp8, decoded, again, moved, ints, inputs, wide, ungrouped int
	for _, t := range tensors {
		kept := t.Target == quant.FormatBF16 && strings.HasPrefix(t.Rule, "source")
		switch {
		case t.From.ScalesInputs():
			inputs++
		case t.Source.IsColumns() && t.Transform == Repack && t.Scale != t.From.ScaleDtype:
			wide++
		case t.Source.IsColumns() && t.Transform == Decode && strings.HasPrefix(t.Rule, "source"):
			ungrouped++
		case t.Source.Mode == quant.Int && kept && t.From.OutOfOrder():
			ungrouped++
		case t.Source.Mode == quant.Int && kept:
			ints++
		case t.Source.Mode == quant.FP8 && kept:
			fp8++
		case dropsGlobal(t.From) && kept:
			decoded++
		case t.Transform == Reencode && t.Source == t.Target:
			again++
		case t.Transform == ChannelsToFront:
			moved++
		}
	}
	if fp8 > 0 {
		out = append(out, fmt.Sprintf("%d FP8 tensors are decoded to bf16, twice the size: their block scales are no powers of two, so mxfp8 cannot hold them; -q mxfp8 makes 8 bits again, rounding once more", fp8))
	}
	if decoded > 0 {
		out = append(out, fmt.Sprintf("%d nvfp4 expert tensors are decoded to bf16, 3.6 times the size: Ollama drops the global scale of experts, and block scales cannot take it up; -q nvfp4 makes 4 bits again, rounding once more", decoded))
	}
	if wide > 0 {
		out = append(out, fmt.Sprintf("%d tensors get float32 scales and biases: their zero points are not in the middle, and no 16-bit number is a zero point times a scale; their codes and numbers stay the same", wide))
	}
	if ungrouped > 0 {
		out = append(out, fmt.Sprintf("%d tensors are decoded to 16 bits, four times the size of 4 bits: affine has no groups of inputs that lie apart (act order), and no sizes but 32, 64 and 128; -q int4 makes 4 bits again with --allow-requantize, rounding once more", ungrouped))
	}
	if again > 0 {
		out = append(out, fmt.Sprintf("%d nvfp4 expert tensors are decoded and encoded again: Ollama drops the global scale of experts, and block scales cannot take it up", again))
	}
	if ints > 0 {
		out = append(out, fmt.Sprintf("%d tensors of integers are decoded to bf16: their groups are no multiples of 32, so affine cannot hold them; -q makes them small again, rounding once more", ints))
	}
	if inputs > 0 {
		out = append(out, fmt.Sprintf("%d tensors are decoded: their layers' inputs have scales of their own (pre_quant_scale), which are multiplied into the weights; -q makes them small again, rounding once more", inputs))
	}
	if moved > 0 {
		out = append(out, "the vision patch embedding is moved to channels first, as Ollama reads it")
	}
	return out
}
