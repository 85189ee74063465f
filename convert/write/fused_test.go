package write

import (
	"errors"
	"testing"

	"qimport/convert/plan"
	"qimport/convert/source"
	"qimport/quant"
	"qimport/quant/recipe"
)

// TestWriteFused: what adapters change of a tensor is added to the right rows of each chunk, in float32,
// before it is encoded, whatever the source's format; and a quantized source asks for leave.
func TestWriteFused(t *testing.T) {
	const rows, cols = 1200, 1024
	large := floats(2, quant.BF16, rows, cols)
	stacked := memory{tensors: map[string][]quant.Tensor{experts: {floats(3, quant.BF16, 600, cols), floats(4, quant.BF16, 600, cols)}}}
	for _, tt := range []struct {
		name   string
		src    memory
		tensor string
		target string
	}{
		{"bf16 kept", memory{tensors: map[string][]quant.Tensor{linear: {large}}}, linear, "keep"},
		{"bf16 to nvfp4", memory{tensors: map[string][]quant.Tensor{linear: {large}}}, linear, "nvfp4"},
		{"int4 again", memory{tensors: map[string][]quant.Tensor{linear: {quantized(quant.FormatInt4, large)}}}, linear, "keep"},
		{"FP8 kept", memory{tensors: map[string][]quant.Tensor{linear: {fp8(3, rows, cols, 0.5, 2)}}}, linear, "keep"},
		{"experts to int8", stacked, experts, "int8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src := tt.src
			pieces := src.tensors[tt.tensor]
			perPiece := rows / len(pieces)
			change := func(i, from int, values []float32) {
				for at := range values {
					values[at] += float32(i*perPiece+from+at/cols) / 4096
				}
			}
			src.fuse, src.files = change, map[string][]byte{"config.json": []byte("{}")}
			inv := src.inventory(t)
			inv.Tensors[0].Updates = []source.Update{{}}
			inv.Adapters = []source.Adapter{{Name: "a"}}
			rule, err := recipe.ParseOverride(tt.tensor + "=" + tt.target)
			if err != nil {
				t.Fatal(err)
			}
			r := recipe.Recipe{Rules: []recipe.Rule{rule}, AllowRequantize: true}
			p, err := plan.New(inv, r, plan.Options{Facts: plan.Facts{Exact: map[string]bool{linear: true}}})
			if err != nil {
				t.Fatal(err)
			}
			tp := p.Blobs[0].Tensors[0]
			fused := make([]float32, rows*cols)
			for i, piece := range pieces {
				own := fused[i*perPiece*cols : (i+1)*perPiece*cols]
				if err := piece.Decode(own, 0); err != nil {
					t.Fatal(err)
				}
				change(i, 0, own)
			}
			want := quant.Tensor{Shape: tp.Shape, Format: quant.FormatF32, Data: quant.Float32s(fused).Data}
			got, _ := write(t, p, src, t.TempDir(), Options{Jobs: 3}).arrays(t, p.Blobs[0].Name)
			checkArrays(t, got, expected(t, want, tp))
		})
	}
}

// TestFusedAsksForLeave: a quantized tensor that stays quantized loses twice.
func TestFusedAsksForLeave(t *testing.T) {
	inv := memory{tensors: map[string][]quant.Tensor{linear: {quantized(quant.FormatInt4, floats(1, quant.BF16, 64, 128))}}}.inventory(t)
	inv.Tensors[0].Updates, inv.Adapters = []source.Update{{}}, []source.Adapter{{Name: "a"}}
	for _, tt := range []struct {
		recipe  recipe.Recipe
		refused bool
	}{
		{recipe.Recipe{}, true}, {recipe.Recipe{AllowRequantize: true}, false}, {recipe.Recipe{Type: quant.FormatBF16}, false},
	} {
		if _, err := plan.New(inv, tt.recipe, plan.Options{}); errors.Is(err, recipe.ErrRecipe) != tt.refused {
			t.Errorf("%+v: %v", tt.recipe, err)
		}
	}
}

// TestKeysFollowAdapters: a blob is another one with another adapter, or another scale of it, and the
// same wherever the adapter lies.
func TestKeysFollowAdapters(t *testing.T) {
	inv := memory{tensors: map[string][]quant.Tensor{linear: {floats(1, quant.BF16, 64, 128)}}}.inventory(t)
	inv.Shards = append(inv.Shards, source.Shard{Name: "a", Path: "/no/such", SHA256: "aa"})
	inv.Adapters = []source.Adapter{{Name: "a", Shard: 1}}
	key := func(scale float32, digest, path string) string {
		t.Helper()
		inv.Shards[1].SHA256, inv.Shards[1].Path = digest, path
		inv.Tensors[0].Updates = []source.Update{{Rank: 2, Scale: scale, A: source.Factor{Part: source.Part{Shard: 1}}}}
		p, err := plan.New(inv, recipe.Recipe{}, plan.Options{})
		if err != nil {
			t.Fatal(err)
		}
		fingerprint, err := Fingerprint(p)
		if err != nil {
			t.Fatal(err)
		}
		return fingerprint
	}
	first := key(1, "aa", "/no/such")
	if key(1, "aa", "/no/other") != first {
		t.Error("the key follows the path")
	}
	if key(0.5, "aa", "/no/such") == first || key(1, "bb", "/no/such") == first {
		t.Error("the key does not follow scale or digest")
	}
}
