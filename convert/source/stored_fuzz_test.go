package source

import (
	"encoding/binary"
	"errors"
	"testing"

	"qimport/arch"
	"qimport/convert/safetensors"
	"qimport/quant"
)

// FuzzStoredHeader: whatever the header of a blob says, what its tensors are is told or refused; a tensor
// that is taken has arrays of the sizes that its format asks for.
func FuzzStoredHeader(f *testing.F) {
	for _, header := range []string{
		`{}`,
		`{"__metadata__":{"quant_type":"int4","group_size":"64"},"x.weight":{"dtype":"U32","shape":[8,8],"data_offsets":[0,256]},` +
			`"x.weight.bias":{"dtype":"BF16","shape":[8,1],"data_offsets":[256,272]},"x.weight.scale":{"dtype":"BF16","shape":[8,1],"data_offsets":[272,288]}}`,
		`{"__metadata__":{"quant_type":"nvfp4","group_size":"16"},"x.weight":{"dtype":"U32","shape":[8,8],"data_offsets":[0,256]},` +
			`"x.weight.global_scale":{"dtype":"F32","shape":[1],"data_offsets":[256,260]},"x.weight.scale":{"dtype":"U8","shape":[8,4],"data_offsets":[260,292]}}`,
		`{"__metadata__":{"x.weight.quant_type":"INT8","x.weight.group_size":"-1"},"x.weight":{"dtype":"U32","shape":[0],"data_offsets":[0,0]}}`,
	} {
		f.Add(header, 1<<12)
	}
	f.Fuzz(func(t *testing.T, header string, data int) {
		if data < 0 || data > 1<<20 || len(header) > 1<<16 {
			return
		}
		b := append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
		h, err := safetensors.ParseHeader(b, int64(len(b)+data))
		if err != nil {
			return // safetensors' own fuzzing
		}
		all := arrays{}
		for _, a := range h.Tensors {
			all[a.Name] = Part{Name: a.Name, Dtype: a.Dtype, Shape: a.Shape, Bytes: a.End - a.Begin}
		}
		cl := classifier{config: arch.Config{}, shards: []Shard{{Name: "blob"}}}
		for bundle := range bundleStored(all) {
			tensor, err := cl.classifyStored(bundle, h.Metadata)
			if err != nil {
				continue
			}
			if err := tensor.Format.Validate(); err != nil && !errors.Is(err, quant.ErrFormat) || len(tensor.Pieces) != 1 {
				t.Errorf("%s: %v, %d pieces", tensor.Name, err, len(tensor.Pieces))
			}
			if tensor.Format.IsQuantized() {
				layout, err := tensor.Format.Layout(tensor.Shape, tensor.ScaleDtype)
				if err != nil || layout.Weight.Bytes() != tensor.Pieces[0].Weight.Bytes {
					t.Errorf("%s is %s %v of %d bytes, %v", tensor.Name, tensor.Format, tensor.Shape, tensor.Pieces[0].Weight.Bytes, err)
				}
			}
		}
	})
}
