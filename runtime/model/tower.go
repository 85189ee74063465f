package model

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"qimport/quant"
	"qimport/runtime/layer"
	"qimport/runtime/vision"
)

// ErrNoTower marks a model that cannot see: without a tower, or with one that cannot be run.
var ErrNoTower = errors.New("the model cannot see pictures")

// Sees says whether there are tensors of a tower.
func (ck *Checkpoint) Sees() bool { return ck.names["visual.patch_embed.proj.weight"] != "" }

// CheckTower is an error that wraps ErrNoTower if there is no tower that can be run.
func (ck *Checkpoint) CheckTower() error {
	z := ck.Config.Tower
	switch {
	case !ck.Sees():
		return fmt.Errorf("%w: it has no tensors of a vision tower", ErrNoTower)
	case !ck.Config.HasVision:
		return fmt.Errorf("%w: there are tensors of a vision tower, but config.json has no vision_config", ErrNoTower)
	case z.Flaw != "":
		return fmt.Errorf("%w: %s", ErrNoTower, z.Flaw)
	}
	if n := ck.deepstackMergers(); n != len(z.Deepstack) {
		return fmt.Errorf("%w: it has %d mergers of deepstack, and vision_config.deepstack_visual_indexes names %d blocks", ErrNoTower, n, len(z.Deepstack))
	}
	return nil
}

// deepstackMergers is how many mergers of deepstack have tensors: one that no block feeds would be left out
// without a word.
func (ck *Checkpoint) deepstackMergers() int {
	all := map[string]bool{}
	for body := range ck.names {
		if rest, ok := strings.CutPrefix(body, "visual.deepstack_merger_list."); ok {
			number, _, _ := strings.Cut(rest, ".")
			all[number] = true
		}
	}
	return len(all)
}

// Tower describes the tower as it is computed in that way, as Decoder does the text model.
func (ck *Checkpoint) Tower(compute layer.Compute) (*vision.Tower, error) {
	if err := ck.CheckTower(); err != nil {
		return nil, err
	}
	b := &builder{Checkpoint: ck, compute: compute}
	t := vision.New(compute, ck.Config.Tower, b.visual)
	if err := b.err(); err != nil {
		return nil, err
	}
	return t, nil
}

// visual is a tensor of the tower with one of the shapes that it may have. Of what is packed, only
// matrices can be multiplied by.
func (b *builder) visual(name string, shapes ...[]int) *layer.Stored {
	body := "visual." + name
	standIn := layer.NewStored(body, quant.Tensor{Shape: shapes[0], Format: quant.FormatF32})
	stored, ok := b.names[body]
	if !ok {
		b.fail("tensor %s, %v, is missing", body, shapes[0])
		return standIn
	}
	got, err := b.look(stored)
	if err != nil {
		b.findings = append(b.findings, err)
		return standIn
	}
	if !slices.ContainsFunc(shapes, func(s []int) bool { return slices.Equal(s, got.Tensor.Shape) }) {
		b.fail("tensor %s has the shape %v; vision_config asks for %v", stored, got.Tensor.Shape, shapes[0])
		return standIn
	}
	return got
}
