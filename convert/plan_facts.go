package convert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"

	"qimport/quant"
)

// Facts are what a plan needs to know of a source beside its headers.
type Facts struct {
	// Exact names the tensors whose scales allow Expand or Fold, which only their values tell.
	Exact map[string]bool
	// Template is the chat template, from which follows what the model can do; "" for none.
	Template string
}

// PlanSource reads the facts of a source and makes its plan.
func PlanSource(ctx context.Context, src *Source, recipe quant.Recipe, mtp MTP) (Plan, error) {
	facts, err := ReadFacts(ctx, src)
	if err != nil {
		return Plan{}, err
	}
	return NewPlan(src.Inventory(), recipe, PlanOptions{MTP: mtp, Facts: facts})
}

// ReadFacts reads the block scales of FP8 tensors and the second scales of nvfp4 experts (under a
// thousandth of the weights, unless second scales are powers of two) and the chat template.
func ReadFacts(ctx context.Context, src *Source) (Facts, error) {
	f := Facts{Exact: map[string]bool{}}
	for _, t := range src.Inventory().Tensors {
		if err := ctx.Err(); err != nil {
			return f, err
		}
		if t.Format.Mode != quant.FP8 && !dropsGlobal(t) {
			continue
		}
		exact, err := scalesAreExact(src, t)
		if err != nil {
			return f, fmt.Errorf("tensor %s: %w", t.Name, err)
		}
		f.Exact[t.Name] = exact
	}
	var err error
	f.Template, err = readTemplate(src)
	return f, err
}

func scalesAreExact(src *Source, t Tensor) (bool, error) {
	for i := range t.Pieces {
		piece, err := src.LoadPiece(t, i)
		if err != nil {
			return false, err
		}
		ok := foldable(piece)
		if piece.Format.Mode == quant.FP8 {
			ok, err = expandable(piece)
		}
		if !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// expandable says whether an FP8 tensor is an mxfp8 tensor in other words: its block scales are
// powers of two that e8m0 holds, its blocks whole groups, and no element is the NaN that MLX decodes
// as 480.
func expandable(t quant.Tensor) (bool, error) {
	cols := quant.Columns(t.Shape)
	group := quant.FormatMXFP8.GroupSize
	whole := t.Format.BlockCols == 0 || t.Format.BlockCols%group == 0
	if !whole || quant.FormatMXFP8.CheckShape(t.Shape) != nil || cols == 0 {
		return false, nil
	}
	scales := make([]float32, len(t.Scales)/t.ScaleDtype.Size())
	if err := quant.ToFloat32(scales, t.Scales, t.ScaleDtype); err != nil {
		return false, err
	}
	for _, s := range scales {
		if _, ok := e8m0(s); !ok {
			return false, nil
		}
	}
	return true, nil
}

// e8m0 is the exponent byte of a power of two in 2^-127..2^127; false for any other value.
func e8m0(s float32) (byte, bool) {
	frac, exp := math.Frexp(float64(s)) // s = frac * 2^exp, frac in [1/2, 1)
	b := exp - 1 + 127
	return byte(b), frac == 0.5 && b >= 0 && b <= 254
}

// foldable says whether every block scale of an nvfp4 tensor times its second scale is an e4m3
// number again, which takes a power of two and scales far from the ends of e4m3.
func foldable(t quant.Tensor) bool {
	for e, g := range t.Global {
		if _, ok := e8m0(g); !ok {
			return false
		}
		per := len(t.Scales) / len(t.Global)
		table := foldTable(g)
		for _, s := range t.Scales[e*per : (e+1)*per] {
			if table[s] < 0 {
				return false
			}
		}
	}
	return true
}

// foldTable is the e4m3 byte of each e4m3 byte's value times g; -1 where there is none.
func foldTable(g float32) [256]int {
	values := e4m3Values()
	var table [256]int
	for b, v := range values {
		table[b] = -1
		for c, w := range values {
			nan := b&0x7f == 0x7f || c&0x7f == 0x7f
			if !nan && b>>7 == c>>7 && float64(v)*float64(g) == float64(w) {
				table[b] = c
			}
		}
	}
	return table
}

// e4m3Values is the value of every e4m3 byte.
func e4m3Values() [256]float32 {
	t := quant.Tensor{Shape: []int{1, 256}, Format: quant.Format{Mode: quant.FP8, Bits: 8}, ScaleDtype: quant.BF16}
	t.Scales = []byte{0x80, 0x3f} // one scale of 1
	for b := range 256 {
		t.Data = append(t.Data, byte(b))
	}
	var values [256]float32
	if err := t.Decode(values[:], 0); err != nil {
		panic(err) // the tensor above is whole
	}
	return values
}

// readTemplate is the chat template: of tokenizer_config.json, else of its own file.
func readTemplate(src *Source) (string, error) {
	raw, err := src.File("tokenizer_config.json")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	var config struct {
		ChatTemplate any `json:"chat_template"`
	}
	if err == nil {
		if err := json.Unmarshal(raw, &config); err != nil {
			return "", fmt.Errorf("%w: tokenizer_config.json is not JSON: %w", ErrSource, err)
		}
	}
	if text, ok := config.ChatTemplate.(string); ok {
		return text, nil
	}
	text, err := src.File(chatTemplate)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}
