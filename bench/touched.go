package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// touched is how many bytes of a checkpoint's weights one token needs: of the embedding its row
// unless it is the head as well, of the experts those that are chosen.
func (s shape) touched(dir string) (float64, error) {
	shards, err := filepath.Glob(filepath.Join(dir, "*.safetensors"))
	if err != nil {
		return 0, err
	}
	total := 0.0
	for _, shard := range shards {
		sizes, err := tensorSizes(shard)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", shard, err)
		}
		for name, bytes := range sizes {
			total += float64(bytes) * s.share(name)
		}
	}
	return total, nil
}

// carried is how many bytes beside the weights one token needs after so many others, in float32: the states of
// Gated DeltaNet layers, which it reads and writes, and the keys and values of the others, which it reads.
func (s shape) carried(tokens int) float64 {
	total := 0
	for i := range s.Layers {
		if isFull(i) {
			total += 2 * tokens * s.KVHeads * s.HeadDim
		} else {
			total += 2 * s.ValueHeads * s.LinearHead * s.LinearHead
		}
	}
	return 4 * float64(total)
}

// share is the part of a tensor that one token needs.
func (s shape) share(name string) float64 {
	switch {
	case strings.Contains(name, "embed_tokens") && !s.Tied:
		return 1 / float64(s.Vocab)
	case strings.Contains(name, "switch_mlp.") || strings.Contains(name, "mlp.experts."):
		return float64(s.PerToken) / float64(s.Experts)
	}
	return 1
}

// operations are those of a prompt's token in the matrices that are multiplied by all tokens: the
// head is multiplied by the last one only.
func (s shape) operations() float64 {
	total := 0.0
	for _, t := range s.tensors() {
		if len(t.shape) > 1 && !strings.Contains(t.name, "embed_tokens") && !strings.Contains(t.name, "lm_head") && !strings.Contains(t.name, "conv1d") {
			total += 2 * float64(t.elements()) * s.share(t.name)
		}
	}
	return total
}

// tensorSizes reads the header of a shard: bytes by name.
func tensorSizes(shard string) (map[string]int64, error) {
	f, err := os.Open(shard)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var length uint64
	if err := binary.Read(f, binary.LittleEndian, &length); err != nil {
		return nil, err
	}
	var header map[string]struct {
		Offsets [2]int64 `json:"data_offsets"`
	}
	if err := json.NewDecoder(io.LimitReader(f, int64(length))).Decode(&header); err != nil {
		return nil, err
	}
	sizes := map[string]int64{}
	for name, t := range header {
		sizes[name] = t.Offsets[1] - t.Offsets[0]
	}
	return sizes, nil
}
