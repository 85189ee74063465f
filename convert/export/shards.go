package export

import (
	"encoding/json"
	"fmt"

	"qimport/convert/encode"
	"qimport/convert/plan"
	"qimport/convert/safetensors"
	"qimport/quant"
)

// exportShardBytes is where mlx-lm begins a new shard; a larger tensor has one of its own.
const exportShardBytes = 5 << 30

// exportShard is one file: its tensors by name, and where the arrays of each lie.
type exportShard struct {
	name    string
	tensors []plan.Tensor
	places  []encode.Places
	header  safetensors.Header
}

// cutShards distributes tensors over files and lays each file out: of every tensor the elements,
// then what belongs to them.
func cutShards(tensors []plan.Tensor) []exportShard {
	var shards []exportShard
	var bytes int64
	for _, t := range tensors {
		if len(shards) == 0 || bytes+t.Bytes > exportShardBytes {
			shards, bytes = append(shards, exportShard{}), 0
		}
		last := &shards[len(shards)-1]
		last.tensors = append(last.tensors, t)
		bytes += t.Bytes
	}
	for i := range shards {
		shards[i].name = "model.safetensors"
		if len(shards) > 1 {
			shards[i].name = fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, len(shards))
		}
		shards[i].layOut()
	}
	return shards
}

// exportArrays are the arrays of a tensor by MLX's names, in the order of plan.Tensor.Arrays.
func exportArrays(t plan.Tensor) []plan.Array {
	arrays := t.Arrays()
	for i := range arrays {
		switch arrays[i].Kind {
		case plan.ScaleArray:
			arrays[i].Name = modulePath(t.Name) + ".scales"
		case plan.BiasArray:
			arrays[i].Name = modulePath(t.Name) + ".biases"
		}
	}
	return arrays
}

// layOut gives every array its place in the header, and then, when the header's length is known, in
// the file.
func (s *exportShard) layOut() {
	s.header = safetensors.Header{Metadata: map[string]string{"format": "mlx"}}
	var end int64
	for _, t := range s.tensors {
		places := encode.Places{}
		for _, a := range exportArrays(t) {
			begin := end
			end += a.Part.Bytes()
			s.header.Tensors = append(s.header.Tensors, safetensors.Tensor{Name: a.Name, Dtype: a.Part.Dtype, Shape: a.Part.Shape, Begin: begin, End: end})
			places[a.Kind] = encode.Place{At: begin, Bytes: end - begin}
		}
		s.places = append(s.places, places)
	}
	s.header.DataStart = int64(len(s.header.Append(nil)))
	for _, places := range s.places {
		for kind, p := range places {
			places[kind] = encode.Place{At: s.header.DataStart + p.At, Bytes: p.Bytes}
		}
	}
}

// exportIndex says which array is in which shard, as mlx-lm writes it for one shard too.
func exportIndex(shards []exportShard) ([]byte, error) {
	var total, parameters int64
	weights := map[string]string{}
	for _, s := range shards {
		for _, a := range s.header.Tensors {
			weights[a.Name] = s.name
			total += a.End - a.Begin
		}
		for _, t := range s.tensors {
			parameters += int64(quant.Elements(t.Shape))
		}
	}
	return json.MarshalIndent(map[string]any{
		"metadata":   map[string]int64{"total_size": total, "total_parameters": parameters},
		"weight_map": weights,
	}, "", "    ")
}
