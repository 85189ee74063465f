package safetensors

import (
	"fmt"

	"github.com/nlpodyssey/safetensors"

	"qimport/quant"
)

// bridge gives nlpodyssey/safetensors a header in words that it knows and takes back its views over
// data, which is not copied. h must have been checked: the library trusts it.
func bridge(h Header, data []byte) (map[string]safetensors.TensorView, error) {
	var meta safetensors.Metadata
	if err := meta.UnmarshalJSON(bridgeJSON(h)); err != nil {
		return nil, err
	}
	views := make(map[string]safetensors.TensorView, len(h.Tensors))
	for name, info := range meta.Tensors() {
		v, err := safetensors.NewTensorView(info.DType, info.Shape, data[info.DataOffsets[0]:info.DataOffsets[1]])
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		views[name] = v
	}
	return views, nil
}

// bridgeJSON is the header as the library can read it: a type that it has not got is named by one
// of the same size, and a scalar, of which its views hold nothing, is a vector of one.
func bridgeJSON(h Header) []byte {
	b := []byte{'{'}
	for i, t := range h.Tensors {
		if i > 0 {
			b = append(b, ',')
		}
		if len(t.Shape) == 0 {
			t.Shape = []int{1}
		}
		b = appendEntry(b, t, bridgeDtype(t.Dtype))
	}
	return append(b, '}')
}

func bridgeDtype(d quant.Dtype) string {
	switch d {
	case quant.F8E4M3, quant.F8E5M2, quant.F8E8M0:
		return quant.U8.String()
	case quant.C64:
		return quant.U64.String()
	}
	return d.String()
}
