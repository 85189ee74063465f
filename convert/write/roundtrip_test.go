package write

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"qimport/convert/converttest"
	"qimport/convert/plan"
	"qimport/convert/source"
	"qimport/manifest"
)

// TestStoredModelHoldsWhatThePlanSays imports every checkpoint in several ways, opens what was stored
// and holds each tensor to its source: exactly where the plan keeps numbers, else within the error
// of the format.
func TestStoredModelHoldsWhatThePlanSays(t *testing.T) {
	for _, dir := range converttest.Checkpoints(t) {
		for _, recipe := range []string{"ollama keep", "ollama nvfp4", "uniform mxfp8", "ollama bf16"} {
			t.Run(filepath.Base(dir)+" "+recipe, func(t *testing.T) {
				src, err := source.OpenDir(dir)
				if err != nil {
					t.Fatal(err)
				}
				defer src.Close()
				r := converttest.RecipeOf(t, recipe)
				r.AllowRequantize = true
				plan, err := plan.Make(context.Background(), src, r, plan.Options{})
				if err != nil {
					t.Fatal(err)
				}
				root := t.TempDir()
				w := write(t, plan, src, root, Options{})
				publish(t, w, "x")
				store, err := manifest.Open(root)
				if err != nil {
					t.Fatal(err)
				}
				stored, err := source.OpenStored(w.manifest, store.Blob)
				if err != nil {
					t.Fatal(err)
				}
				defer stored.Close()
				for _, b := range plan.Blobs {
					for _, tp := range b.Tensors {
						compareStored(t, src, stored, tp)
					}
				}
			})
		}
	}
}

func compareStored(t *testing.T, src, stored *source.Source, tp plan.Tensor) {
	t.Helper()
	want, err := src.Load(tp.From.Name)
	if err != nil {
		t.Fatal(err)
	}
	got, err := stored.Load(tp.Name)
	if err != nil {
		t.Fatal(err)
	}
	if got.Format != tp.Target || !slices.Equal(got.Shape, tp.Shape) {
		t.Errorf("%s is stored as %s %v, planned as %s %v", tp.Name, got.Format, got.Shape, tp.Target, tp.Shape)
		return
	}
	if tp.Transform == plan.ChannelsToFront {
		return // held to its bytes in TestWriteMovesChannels
	}
	a, b := converttest.Decoded(t, want), converttest.Decoded(t, got)
	var diff, norm float64
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		diff, norm = diff+d*d, norm+float64(a[i])*float64(a[i])
	}
	limit := converttest.Worst(tp.Target)
	switch tp.Transform {
	case plan.Copy, plan.Turn, plan.Expand, plan.Fold, plan.Repack:
		limit = 0
	}
	if e := math.Sqrt(diff / max(norm, 1e-30)); e > limit {
		t.Errorf("%s (%s): relative error %g, at most %g expected", tp.Name, tp.Transform, e, limit)
	}
}
