package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"qimport/arch"
	"qimport/convert/checkpoint"
)

// Part is which of a repository's files are wanted.
type Part uint8

// The parts.
const (
	Whole   Part = iota // a checkpoint
	Head                // of a checkpoint: its small files, and the shards that its multi-token-prediction head is in
	Adapter             // the config and the arrays of an adapter
)

const adapterConfig = "adapter_config.json"

// adapterArrays are the names that PEFT and mlx-lm give the file of an adapter's arrays.
var adapterArrays = []string{"adapter_model.safetensors", "adapters.safetensors"}

// check says whether the files can be that part at all.
func (p Part) check(l listing) error {
	if p != Adapter {
		return l.checkCheckpoint()
	}
	if !l.has(adapterConfig) {
		return errors.New("it holds no " + adapterConfig + ": it is no adapter")
	}
	if !slices.ContainsFunc(adapterArrays, l.has) {
		return errors.New("it holds neither " + adapterArrays[0] + " nor " + adapterArrays[1] + ", and no other form of an adapter's weights is read")
	}
	return nil
}

func (l listing) has(name string) bool {
	return slices.ContainsFunc(l.Files, func(f file) bool { return f.Name == name })
}

// of picks the part's files, by name, out of those that the hub lists. Which shards a head is in is known
// from the index, nil until that is at hand.
func (p Part) of(l listing, index weightMap) (part listing, known bool) {
	part = listing{Commit: l.Commit}
	byIndex := p == Head && l.has(indexName)
	for _, file := range l.Files {
		wanted := true
		switch {
		case p == Adapter:
			wanted = file.Name == adapterConfig || slices.Contains(adapterArrays, file.Name)
		case byIndex && isShard(file.Name):
			wanted = checkpoint.IsSidecar(file.Name) || index.holdsHead(file.Name)
		}
		if wanted {
			part.Files = append(part.Files, file)
		}
	}
	return part, !byIndex || index != nil
}

// weightMap is an index: the shard of each tensor.
type weightMap map[string]string

// holdsHead says whether a tensor of the multi-token-prediction head is in a shard.
func (m weightMap) holdsHead(shard string) bool {
	for name, in := range m {
		if in == shard && arch.IsMTP(arch.Body(name)) {
			return true
		}
	}
	return false
}

// index reads the index of a snapshot: fs.ErrNotExist if there is none, errIncomplete if it cannot be read.
func (f *folder) index(commit string) (weightMap, error) {
	var index struct {
		WeightMap weightMap `json:"weight_map"`
	}
	err := f.readJSON(commit, indexName, &index)
	if err == nil && len(index.WeightMap) == 0 {
		err = fmt.Errorf("%w: %s names no shards", errIncomplete, indexName)
	}
	if err != nil {
		return nil, err
	}
	return index.WeightMap, nil
}

// seems is the rule where nobody knows the hub's listing: whether what the cache has of a snapshot is all
// of the part, by the files' names.
func (p Part) seems(f *folder, commit string) error {
	if p != Adapter {
		return f.seemsWhole(commit, p == Head)
	}
	if err := f.readJSON(commit, adapterConfig, &struct{}{}); err != nil {
		return err
	}
	for _, name := range adapterArrays {
		if _, err := f.place(commit, name); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return fmt.Errorf("%w: %s", errIncomplete, adapterArrays[0])
}
