package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"qimport/convert/safetensors"
	"qimport/convert/source"
	"qimport/quant"
)

// planBlobs distributes tensors over blobs in the store's order: single tensors by name, then the
// experts that the source has one by one, by name.
func planBlobs(tensors []Tensor) ([]Blob, error) {
	groups := map[string][]Tensor{}
	for _, t := range tensors {
		name := blobName(t)
		groups[name] = append(groups[name], t)
	}
	var blobs []Blob
	for name, members := range groups {
		if oneFormat(members) {
			blobs = append(blobs, Blob{Name: name, Group: members[0].From.Stacked, Tensors: members})
			continue
		}
		for _, t := range members {
			blobs = append(blobs, Blob{Name: t.Name, Group: true, Tensors: []Tensor{t}})
		}
	}
	slices.SortFunc(blobs, func(a, b Blob) int {
		if a.Group != b.Group {
			return cmp.Compare(strconv.FormatBool(a.Group), strconv.FormatBool(b.Group))
		}
		return strings.Compare(a.Name, b.Name)
	})
	for i := range blobs {
		if err := finishBlob(&blobs[i]); err != nil {
			return nil, err
		}
	}
	return blobs, checkNames(blobs)
}

// blobName is the name of the blob a tensor belongs to: its own or, where the source has experts
// one by one, "….mlp.experts" for all their projections.
func blobName(t Tensor) string {
	if !t.From.Stacked {
		return t.Name
	}
	if before, _, ok := strings.Cut(t.Name, ".experts."); ok {
		return before + ".experts"
	}
	return t.Name
}

func oneFormat(members []Tensor) bool {
	for _, t := range members {
		if t.Target != members[0].Target {
			return false
		}
	}
	return true
}

// finishBlob sorts the tensors of a blob and adds what follows from them.
func finishBlob(b *Blob) error {
	slices.SortFunc(b.Tensors, func(x, y Tensor) int { return strings.Compare(x.Name, y.Name) })
	b.Metadata = source.BlobMetadata(b.Tensors[0].Target)
	h, err := b.Header()
	if err != nil {
		return err
	}
	b.Bytes = h.FileSize()
	return nil
}

// checkNames refuses names that would meet in the one name space that a reader of the store makes
// of all blobs, as a tensor that is really called "x.weight.scale" would.
func checkNames(blobs []Blob) error {
	owner := map[string]string{}
	for _, b := range blobs {
		for _, t := range b.Tensors {
			for _, part := range t.Arrays() {
				if other, taken := owner[part.Name]; taken {
					return fmt.Errorf("%w: tensor %s needs the name %s in the store, which tensor %s has; rename one of them in the source", source.ErrSource, t.Name, part.Name, other)
				}
				owner[part.Name] = t.Name
			}
		}
	}
	return nil
}

// Array is one entry of a blob's header, and what of a tensor it holds.
type Array struct {
	Name string
	Part quant.Part
	Kind ArrayKind
}

type ArrayKind uint8

const (
	WeightArray ArrayKind = iota
	BiasArray
	GlobalArray
	ScaleArray
)

// Arrays are the entries of a tensor in the order of their names, which is the order of their data.
func (t Tensor) Arrays() []Array {
	layout, err := t.Target.Layout(t.Shape, t.Scale)
	if err != nil {
		return nil // planTensor has made sure
	}
	all := []Array{
		{t.Name, layout.Weight, WeightArray},
		{t.Name + ".bias", layout.Biases, BiasArray},
		{t.Name + ".global_scale", quant.Part{Dtype: quant.F32, Shape: []int{1}}, GlobalArray},
		{t.Name + ".scale", layout.Scales, ScaleArray},
	}
	return slices.DeleteFunc(all, func(a Array) bool {
		return a.Part.Dtype == quant.NoDtype || a.Kind == GlobalArray && !t.Global
	})
}

// Header is the header of the blob's file.
func (b Blob) Header() (safetensors.Header, error) {
	var entries []safetensors.Tensor
	for _, t := range b.Tensors {
		for _, a := range t.Arrays() {
			entries = append(entries, safetensors.Tensor{Name: a.Name, Dtype: a.Part.Dtype, Shape: a.Part.Shape})
		}
	}
	h, err := safetensors.New(b.Metadata, entries)
	if err != nil {
		return h, fmt.Errorf("blob %s: %w", b.Name, err)
	}
	return h, nil
}
