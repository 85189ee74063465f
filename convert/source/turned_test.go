package source

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"qimport/arch"
	"qimport/quant"
)

// TestTurned: the stacks of Qwen3-VL's releases, [experts, in, out], are those that others have as
// [experts, out, in], and are lent so, whole and by pieces.
func TestTurned(t *testing.T) {
	turned := newBuild(t, arch.Qwen3VLMoE, release)
	plain := newBuild(t, arch.Qwen3VLMoE, release)
	for name, a := range turned.arrays {
		if !isFused(arch.Body(name)) {
			continue
		}
		fill(a, func(i int) float32 { return float32(i % 251) })
		e, in, out := a.shape[0], a.shape[1], a.shape[2]
		as := newArray(quant.BF16, e, out, in)
		fill(as, func(i int) float32 {
			m, o, c := i/(out*in), i/in%out, i%in
			return float32(((m*in+c)*out + o) % 251)
		})
		plain.arrays[name] = as
	}
	got, want := open(t, turned), open(t, plain)
	stacks := 0
	for _, tensor := range got.Inventory().Tensors {
		w, err := want.Load(tensor.Name)
		if err != nil {
			t.Fatal(err)
		}
		g, err := got.Load(tensor.Name)
		if err != nil {
			t.Fatal(err)
		}
		if tensor.Turned {
			stacks++
		}
		if tensor.Turned != strings.Contains(tensor.Name, ".experts.") || g.Turned() || !slices.Equal(g.Shape, w.Shape) || !bytes.Equal(g.Data, w.Data) {
			t.Errorf("%s, turned %v: %v differs from %v", tensor.Name, tensor.Turned, g.Shape, w.Shape)
		}
		pieces, err := got.Pieces(tensor.Name)
		if err != nil || len(pieces) != 1 || pieces[0].Turned() != tensor.Turned || !slices.Equal(pieces[0].Shape, w.Shape) {
			t.Fatalf("%s: %d pieces, %v", tensor.Name, len(pieces), err)
		}
		p, rows := pieces[0], quant.Elements(w.Shape)/quant.Columns(w.Shape)
		if own := p.CopyRows(make([]byte, p.RowsSize(rows)), 0, rows); !bytes.Equal(own.Data, w.Data) {
			t.Errorf("%s: its piece differs", tensor.Name)
		}
	}
	if stacks != 4 {
		t.Errorf("%d stacks are turned, want 4", stacks)
	}
}
