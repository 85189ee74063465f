package source

import (
	"errors"
	"testing"

	"qimport/convert/safetensors"
	"qimport/internal/untrusted"
	"qimport/quant"
)

// TestNamesAreChecked: a name that would steer a terminal, or lead elsewhere as part of a path, is
// refused where it is read.
func TestNamesAreChecked(t *testing.T) {
	for _, name := range []string{"", "a/b", "a b", "\x1b[31mred", "a\u202eb", "a\u0085"} {
		f := &safetensors.File{Path: "model.safetensors", Header: safetensors.Header{
			Tensors: []safetensors.Tensor{{Name: name, Dtype: quant.U8, Shape: []int{0}}}}}
		if _, err := readArrays([]*safetensors.File{f}, nil); !errors.Is(err, untrusted.ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
}
