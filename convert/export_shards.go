package convert

import (
	"encoding/json"
	"fmt"

	"qimport/convert/safetensors"
	"qimport/quant"
)

// exportShardBytes is where mlx-lm begins a new shard; a larger tensor has one of its own.
const exportShardBytes = 5 << 30

// exportShard is one file: its tensors by name, and where the arrays of each lie.
type exportShard struct {
	name    string
	tensors []TensorPlan
	places  []Places
	header  safetensors.Header
}

// cutShards distributes tensors over files and lays each file out: of every tensor the elements,
// then what belongs to them.
func cutShards(tensors []TensorPlan) []exportShard {
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

// exportArrays are the arrays of a tensor by MLX's names, in the order of TensorPlan.arrays.
func exportArrays(t TensorPlan) []array {
	arrays := t.arrays()
	for i := range arrays {
		switch arrays[i].kind {
		case scaleArray:
			arrays[i].name = modulePath(t.Name) + ".scales"
		case biasArray:
			arrays[i].name = modulePath(t.Name) + ".biases"
		}
	}
	return arrays
}

func (s *exportShard) layOut() {
	s.header = safetensors.Header{Metadata: map[string]string{"format": "mlx"}}
	var end int64
	for _, t := range s.tensors {
		for _, a := range exportArrays(t) {
			begin := end
			end += a.part.Bytes()
			s.header.Tensors = append(s.header.Tensors, safetensors.Tensor{Name: a.name, Dtype: a.part.Dtype, Shape: a.part.Shape, Begin: begin, End: end})
		}
	}
	s.header.DataStart = int64(len(s.header.Append(nil)))
	at := s.header.DataStart
	for _, t := range s.tensors {
		places := Places{}
		for _, a := range exportArrays(t) {
			places[a.kind] = place{at: at, bytes: a.part.Bytes()}
			at += a.part.Bytes()
		}
		s.places = append(s.places, places)
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
