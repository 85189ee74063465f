package plan

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"qimport/arch"
	"qimport/convert/source"
	"qimport/quant"
	"qimport/quant/recipe"
)

// TestRelease: beside a head, a converted model is planned in release form, and the head by its own.
func TestRelease(t *testing.T) {
	norm := func(name string) source.Tensor {
		t := plain(name, arch.Norm, 128)
		t.Body = arch.Body(name)
		return t
	}
	head, gated := norm("language_model.mtp.norm.weight"), norm("language_model.model.layers.0.linear_attn.norm.weight")
	head.MTP = true
	conv := plain("language_model.model.layers.0.linear_attn.conv1d.weight", arch.Conv, 64, 4, 1)
	conv.Body = arch.Body(conv.Name)
	exact, wide := norm("language_model.model.norm.weight"), norm("language_model.model.layers.0.input_layernorm.weight")
	facts := Facts{LessOne: map[string]bool{exact.Name: true, head.Name: true}}
	for form, less := range map[arch.NormForm]Transform{arch.NormsRaw: Copy, arch.NormsShifted: SubtractOne} {
		inv := source.Inventory{NormForm: arch.NormsShifted, HeadForm: form, Tensors: []source.Tensor{gated, conv, exact, wide, head}}
		p, err := New(inv, recipe.Recipe{}, Options{Facts: facts})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, b := range p.Blobs {
			tp := b.Tensors[0]
			got[tp.Name] = fmt.Sprint(tp.Transform, " ", tp.Target, " ", tp.Shape)
		}
		for name, want := range map[string]string{
			"mtp.norm.weight": less.String() + " bf16 [128]", gated.Name: "copy bf16 [128]", conv.Name: "copy bf16 [64 1 4]",
			exact.Name: "less 1 bf16 [128]", wide.Name: "less 1 f32 [128]",
		} {
			if got[name] != want {
				t.Errorf("head %s: %s is %q, want %q", form, name, got[name], want)
			}
		}
		if len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], "(1 of them in float32") {
			t.Errorf("warnings: %q", p.Warnings)
		}
	}
}

// TestKeepsNoHeadInTheDark: a head whose form cannot be told, or that is not whole, is refused where it
// was asked for.
func TestKeepsNoHeadInTheDark(t *testing.T) {
	head := plain("mtp.fc.weight", arch.Linear, 128, 256)
	head.MTP = true
	for _, inv := range []source.Inventory{{}, {HeadForm: arch.NormsRaw, HeadFlaw: "mtp.norm.weight is needed"}} {
		inv.NormForm, inv.Tensors = arch.NormsShifted, []source.Tensor{head}
		if _, err := New(inv, recipe.Recipe{}, Options{MTP: MTPKeep}); !errors.Is(err, source.ErrSource) {
			t.Errorf("%q: %v", inv.HeadFlaw, err)
		}
	}
}

// TestHoldsLessOne: bf16 holds w-1 for what norms are, and not for small gains.
func TestHoldsLessOne(t *testing.T) {
	for v, want := range map[float32]bool{0.5: true, 0.7421875: true, 1: true, 1.3359375: true, 2.5: true, -1: true, 0.251953125: false, 0.001: false} {
		data := make([]byte, 2)
		if err := quant.FromFloat32(data, quant.BF16, []float32{v}); err != nil {
			t.Fatal(err)
		}
		if got, err := holdsLessOne(quant.Tensor{Shape: []int{1}, Format: quant.FormatBF16, Data: data}); err != nil || got != want {
			t.Errorf("%g: %t, %v", v, got, err)
		}
	}
}
