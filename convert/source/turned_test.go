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

// TestTurnedFP8: a stack in FP8 that lies [experts, in, out] has its scales so too, and is lent and decoded as
// the same numbers [experts, out, in] are.
func TestTurnedFP8(t *testing.T) {
	const block = 64
	turned, plain := newBuild(t, arch.Qwen3VLMoE, release), newBuild(t, arch.Qwen3VLMoE, release)
	var names []string
	for _, b := range []*build{turned, plain} {
		b.config["quantization_config"] = map[string]any{"quant_method": "fp8", "weight_block_size": []int{block, block}}
	}
	for name, a := range turned.arrays {
		if !isFused(arch.Body(name)) {
			continue
		}
		names = append(names, name)
		e, in, out := a.shape[0], a.shape[1], a.shape[2]
		down, across := (in+block-1)/block, (out+block-1)/block
		codes, scales := newArray(quant.F8E4M3, e, in, out), newArray(quant.BF16, e, down, across)
		straight, turnedScales := newArray(quant.F8E4M3, e, out, in), newArray(quant.BF16, e, across, down)
		for i := range codes.data {
			m, c, o := i/(in*out), i/out%in, i%out
			codes.data[i] = byte((7*m + 3*c + 5*o) % 0x7f)
			straight.data[(m*out+o)*in+c] = codes.data[i]
		}
		scale := func(m, c, o int) float32 { return 1 + float32((m*down+c)*across+o)/64 }
		fill(scales, func(i int) float32 { return scale(i/(down*across), i/across%down, i%across) })
		fill(turnedScales, func(i int) float32 { return scale(i/(down*across), i%down, i/down%across) })
		turned.arrays[name], turned.arrays[name+"_scale_inv"] = codes, scales
		plain.arrays[name], plain.arrays[name+"_scale_inv"] = straight, turnedScales
	}
	if len(names) != 4 {
		t.Fatalf("%d stacks, want 4", len(names))
	}
	got, want := open(t, turned), open(t, plain)
	for _, name := range names {
		tensor, _ := got.Inventory().Tensor(name)
		w, err := want.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		is, err := got.Pieces(name)
		if err != nil {
			t.Fatal(err)
		}
		lent, err := got.LoadPiece(tensor, 0)
		if err != nil {
			t.Fatal(err)
		}
		if !tensor.Turned || !lent.Turned() || is[0].Turned() || !slices.Equal(is[0].Shape, w.Shape) || !bytes.Equal(is[0].Data, w.Data) {
			t.Errorf("%s, turned %v: %v differs from %v", name, tensor.Turned, is[0].Shape, w.Shape)
		}
		values := make([]float32, quant.Elements(w.Shape))
		if err := w.Decode(values, 0); err != nil {
			t.Fatal(err)
		}
		for _, q := range []quant.Tensor{is[0], lent} {
			if err := q.Validate(); err != nil {
				t.Fatal(err)
			}
			decoded := make([]float32, len(values))
			if err := q.Decode(decoded, 0); err != nil || !slices.Equal(decoded, values) {
				t.Errorf("%s: decoded it has other values, %v", name, err)
			}
		}
	}
}
