package tune

import (
	"strings"
	"testing"

	"qimport/quant"
)

// TestMixtureOf: a list of tensors is known again as a mixture, and one that no choice gives is none.
func TestMixtureOf(t *testing.T) {
	groups := someChoice(ByKind)
	for i := range groups {
		for k := range groups[i].Options {
			groups[i].Options[k].KL = float64(k)
		}
	}
	list := someTensors(quant.FormatNVFP4)
	m, ok := MixtureOf(groups, list)
	if !ok {
		t.Fatal("all of it in nvfp4 is no mixture")
	}
	var bytes int64
	for g, o := range m.Choice {
		if f := groups[g].Options[o].Format; f != quant.FormatNVFP4 {
			t.Errorf("%s has %s", groups[g].Name, f)
		}
		bytes += groups[g].Options[o].Bytes
	}
	if m.Bytes != bytes || m.KL != float64(len(groups)) {
		t.Errorf("it says %d bytes and %g, and is %d and %d", m.Bytes, m.KL, bytes, len(groups))
	}
	if m, ok := MixtureOf(groups, someTensors(quant.FormatBF16)); !ok || m.KL != 0 {
		t.Errorf("the source itself is %v, %t", m, ok)
	}
	if _, ok := MixtureOf(groups, someTensors(quant.FormatMXFP8)); ok {
		t.Error("a format that is no option is taken for one")
	}
	for i := range list {
		if strings.HasSuffix(list[i].Name, "layers.0.linear_attn.in_proj_z.weight") {
			list[i].Target = quant.FormatInt8
		}
	}
	if _, ok := MixtureOf(groups, list); ok {
		t.Error("a group of two formats is taken for a mixture")
	}
	if _, ok := MixtureOf(groups, list[:3]); ok {
		t.Error("a list without some members is taken for a mixture")
	}
}
