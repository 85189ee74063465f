package plan

import (
	"bytes"
	"context"
	"fmt"

	"qimport/arch"
	"qimport/convert/source"
	"qimport/quant"
	"qimport/quant/recipe"
)

// Facts are what a plan needs to know of a source beside its headers.
type Facts struct {
	// Exact names the tensors whose scales allow Expand or Fold, or Repack with scales of their own
	// dtype, which only their values tell.
	Exact map[string]bool
	// LessOne names the norms whose numbers, less 1, their own dtype holds.
	LessOne map[string]bool
}

// Make reads the facts of a source into the options, and makes its plan.
func Make(ctx context.Context, src *source.Source, recipe recipe.Recipe, o Options) (Plan, error) {
	var err error
	if o.Facts, err = ReadFacts(ctx, src); err != nil {
		return Plan{}, err
	}
	return New(src.Inventory(), recipe, o)
}

// ReadFacts reads the block scales of FP8 tensors and the global scales of nvfp4 experts (under a
// thousandth of the weights, unless global scales are powers of two), and the zero points of GPTQ and
// AWQ (under a hundredth, with groups of 128).
func ReadFacts(ctx context.Context, src *source.Source) (Facts, error) {
	f := Facts{Exact: map[string]bool{}, LessOne: map[string]bool{}}
	if err := f.readNorms(src); err != nil {
		return f, err
	}
	for _, t := range src.Inventory().Tensors {
		if err := ctx.Err(); err != nil {
			return f, err
		}
		if t.Format.Mode != quant.FP8 && !t.Format.IsColumns() && !dropsGlobal(t) {
			continue
		}
		exact, err := scalesAreExact(src, t)
		if err != nil {
			return f, fmt.Errorf("tensor %s: %w", t.Name, err)
		}
		f.Exact[t.Name] = exact
	}
	return f, nil
}

func scalesAreExact(src *source.Source, t source.Tensor) (bool, error) {
	for i := range t.Pieces {
		piece, err := src.LoadPiece(t, i)
		if err != nil {
			return false, err
		}
		lent := &piece.Scales
		if t.Format.IsColumns() {
			lent = &piece.Zeros
		}
		mapped := *lent
		if err := src.Guard(func() error { *lent = bytes.Clone(mapped); return nil }); err != nil {
			return false, err
		}
		src.Release(mapped)
		exact := piece.FoldsGlobal()
		switch {
		case piece.Format.IsColumns():
			exact = piece.BiasesFit()
		case piece.Format.Mode == quant.FP8:
			exact = piece.ExpandsToMXFP8()
		}
		if !exact {
			return false, nil
		}
	}
	return true, nil
}

// readNorms reads the norms of a converted model, which are small.
func (f *Facts) readNorms(src *source.Source) error {
	if src.NormForm() != arch.NormsShifted {
		return nil
	}
	for _, t := range src.Inventory().Tensors {
		if !arch.ZeroCentred(t.Body) || t.Format.Mode != quant.Plain || !t.Format.Dtype.IsFloat() {
			continue
		}
		q, err := src.Load(t.Name)
		if err != nil {
			return err
		}
		if f.LessOne[t.Name], err = holdsLessOne(q); err != nil {
			return fmt.Errorf("tensor %s: %w", t.Name, err)
		}
		src.Release(q.Data)
	}
	return nil
}

// holdsLessOne says whether every value, less 1 and in its dtype, gives the value again. bf16 does so
// from 0.5 on.
func holdsLessOne(q quant.Tensor) (bool, error) {
	values, back := make([]float32, quant.Elements(q.Shape)), make([]float32, quant.Elements(q.Shape))
	if err := quant.ToFloat32(values, q.Data, q.Format.Dtype); err != nil {
		return false, err
	}
	for i, v := range values {
		back[i] = v - 1
	}
	own := make([]byte, len(q.Data))
	if err := quant.FromFloat32(own, q.Format.Dtype, back); err != nil {
		return false, err
	}
	if err := quant.ToFloat32(back, own, q.Format.Dtype); err != nil {
		return false, err
	}
	for i, v := range values {
		if back[i]+1 != v {
			return false, nil
		}
	}
	return true, nil
}
