package checkpoint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"qimport/convert/safetensors"
	"qimport/internal/untrusted"
)

// index is the weight_map of model.safetensors.index.json: tensor name -> shard.
type index map[string]string

// shards are the files that the index names, sorted.
func (x index) shards() []string {
	return slices.Compact(slices.Sorted(maps.Values(x)))
}

// head is what the index says of the shards that the multi-token-prediction head is in.
func (x index) head() index {
	shards := map[string]bool{}
	for tensor, shard := range x {
		if isHead(tensor) {
			shards[shard] = true
		}
	}
	out := maps.Clone(x)
	maps.DeleteFunc(out, func(_, shard string) bool { return !shards[shard] })
	return out
}

// parseIndex reads the file's weight_map; other keys are passed over. A shard must be a bare file
// name, so that an index cannot lead out of its directory. Errors are ErrBadCheckpoint.
func parseIndex(b []byte) (index, error) {
	var file struct {
		WeightMap json.RawMessage `json:"weight_map"`
	}
	if err := untrusted.Unmarshal(b, &file); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", indexName, ErrBadCheckpoint, err)
	}
	if file.WeightMap == nil {
		return nil, nil
	}
	x, err := parseWeightMap(file.WeightMap)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", indexName, ErrBadCheckpoint, err)
	}
	return x, nil
}

// parseWeightMap reads the object by tokens: encoding/json keeps the last of two equal keys.
func parseWeightMap(b []byte) (index, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return nil, fmt.Errorf("weight_map is not an object")
	}
	x, files := index{}, map[string]string{} // one string a file, however often it is named
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name := key.(string)
		value, err := dec.Token()
		if err != nil {
			return nil, err
		}
		shard, ok := value.(string)
		if _, twice := x[name]; twice {
			return nil, fmt.Errorf("tensor %q is there twice", name)
		}
		if !ok || !bareShard(shard) {
			return nil, fmt.Errorf("tensor %q: %q is not the bare name of a %s file", name, fmt.Sprint(value), extension)
		}
		if len(x) == safetensors.MaxTensors {
			return nil, fmt.Errorf("more than %d tensors", safetensors.MaxTensors)
		}
		if _, known := files[shard]; !known {
			files[shard] = shard
		}
		x[name] = files[shard]
	}
	_, err := dec.Token()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return x, err
}

func bareShard(name string) bool {
	return strings.HasSuffix(name, extension) && name == filepath.Base(name) && untrusted.CheckName(name) == nil
}
