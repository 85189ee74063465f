package plan

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"qimport/convert/source"
	"qimport/quant"
	"qimport/quant/recipe"
)

// Facts are what a plan needs to know of a source beside its headers.
type Facts struct {
	// Exact names the tensors whose scales allow Expand or Fold, which only their values tell.
	Exact map[string]bool
	// Template is the chat template, from which follows what the model can do; "" for none.
	Template string
}

// Make reads the facts of a source into the options, and makes its plan.
func Make(ctx context.Context, src *source.Source, recipe recipe.Recipe, o Options) (Plan, error) {
	var err error
	if o.Facts, err = ReadFacts(ctx, src); err != nil {
		return Plan{}, err
	}
	return New(src.Inventory(), recipe, o)
}

// ReadFacts reads the block scales of FP8 tensors and the second scales of nvfp4 experts (under a
// thousandth of the weights, unless second scales are powers of two) and the chat template.
func ReadFacts(ctx context.Context, src *source.Source) (Facts, error) {
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

func scalesAreExact(src *source.Source, t source.Tensor) (bool, error) {
	for i := range t.Pieces {
		piece, err := src.LoadPiece(t, i)
		if err != nil {
			return false, err
		}
		lent := piece.Scales
		if err := src.Guard(func() error { piece.Scales = bytes.Clone(lent); return nil }); err != nil {
			return false, err
		}
		src.Release(lent)
		exact := piece.FoldsGlobal()
		if piece.Format.Mode == quant.FP8 {
			exact = piece.ExpandsToMXFP8()
		}
		if !exact {
			return false, nil
		}
	}
	return true, nil
}

// readTemplate is the chat template: of tokenizer_config.json, else of its own file.
func readTemplate(src *source.Source) (string, error) {
	raw, err := src.File("tokenizer_config.json")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	var config struct {
		ChatTemplate any `json:"chat_template"`
	}
	if err == nil {
		if err := json.Unmarshal(raw, &config); err != nil {
			return "", fmt.Errorf("%w: tokenizer_config.json is not JSON: %w", source.ErrSource, err)
		}
	}
	if text, ok := config.ChatTemplate.(string); ok {
		return text, nil
	}
	text, err := src.File(source.ChatTemplate)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}
