package export

import (
	"bytes"
	"encoding/json"

	"qimport/arch"
	"qimport/quant"
)

// pathEntry is a format as mlx-lm's config says it. Every key is written always: loaders differ in
// what they take for granted.
type pathEntry struct {
	GroupSize int    `json:"group_size"`
	Bits      int    `json:"bits"`
	Mode      string `json:"mode"`
}

func pathEntryOf(f quant.Format) pathEntry {
	return pathEntry{GroupSize: f.GroupSize, Bits: f.Bits, Mode: f.Mode.String()}
}

// exportConfig is config.json with the source's words on quantization replaced by MLX's: the format
// of most weights for all, and one entry for every module that could be quantized, false for those
// that are not. One that says all of that already stays as it is, byte for byte.
func exportConfig(raw []byte, shards []exportShard) ([]byte, error) {
	config, err := decodeObject(raw)
	if err != nil {
		return nil, err
	}
	if saysTrue(config, shards) {
		return raw, nil
	}
	for _, key := range []string{"quantization", "quantization_config", "compression_config"} {
		delete(config, key)
		if text, ok := config["text_config"].(map[string]any); ok {
			delete(text, key)
		}
	}
	if block := quantizationBlock(shards); block != nil {
		config["quantization"] = block
		config["quantization_config"] = block
	}
	return json.MarshalIndent(config, "", "    ")
}

// decodeObject reads JSON and keeps numbers as they are written.
func decodeObject(raw []byte) (map[string]any, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var object map[string]any
	err := dec.Decode(&object)
	return object, err
}

// quantizationBlock is nil if nothing is quantized.
func quantizationBlock(shards []exportShard) map[string]any {
	block := map[string]any{}
	elements := map[quant.Format]int{}
	var most quant.Format
	for _, s := range shards {
		for _, t := range s.tensors {
			switch {
			case t.Target.IsQuantized():
				block[modulePath(t.Name)] = pathEntryOf(t.Target)
				elements[t.Target] += quant.Elements(t.Shape)
				if elements[t.Target] > elements[most] {
					most = t.Target
				}
			case t.From.Role.Fixed() == "" && t.From.Role != arch.Other:
				block[modulePath(t.Name)] = false
			}
		}
	}
	if len(elements) == 0 {
		return nil
	}
	f := pathEntryOf(most)
	block["group_size"], block["bits"], block["mode"] = f.GroupSize, f.Bits, f.Mode
	return block
}
