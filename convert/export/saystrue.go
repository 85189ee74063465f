package export

import (
	"encoding/json"
	"reflect"

	"qimport/quant"
)

// saysTrue says whether a config already names the format of every tensor as MLX reads it, and has no
// other words on quantization: so does that of a checkpoint in mlx form that was imported as it is.
func saysTrue(config map[string]any, shards []exportShard) bool {
	text, _ := config["text_config"].(map[string]any)
	for _, key := range []string{"quantization", "quantization_config", "compression_config"} {
		if _, inner := text[key]; inner {
			return false
		}
	}
	block, ok := config["quantization"].(map[string]any)
	twin, twice := config["quantization_config"]
	if _, other := config["compression_config"]; other || twice && (!ok || !reflect.DeepEqual(twin, any(block))) {
		return false
	}
	for _, s := range shards {
		for _, t := range s.tensors {
			if !entryOf(block, modulePath(t.Name)).holds(t.Target) {
				return false
			}
		}
	}
	return true
}

// said is what a config says of one module.
type said struct {
	own    bool // in an entry of its own
	format pathEntry
	plain  bool // that it is not quantized
}

// entryOf is what the block says of a path: its own entry, or what holds for all. Without a mode an
// entry means affine, as to mlx-lm.
func entryOf(block map[string]any, path string) said {
	switch entry := block[path].(type) {
	case bool:
		return said{own: true, plain: !entry, format: pathEntryIn(block)}
	case map[string]any:
		return said{own: true, format: pathEntryIn(entry)}
	}
	return said{format: pathEntryIn(block), plain: block == nil}
}

// pathEntryIn reads an entry. Numbers that are missing or null, as mlx-lm's mixed recipes write them, are
// the mode's own.
func pathEntryIn(object map[string]any) pathEntry {
	mode, ok := object["mode"].(string)
	if !ok {
		mode = quant.Affine.String()
	}
	e := pathEntry{Mode: mode}
	for _, f := range []quant.Format{quant.FormatInt4, quant.FormatNVFP4, quant.FormatMXFP4, quant.FormatMXFP8} {
		if f.Mode.String() == mode {
			e = pathEntryOf(f)
		}
	}
	for key, to := range map[string]*int{"group_size": &e.GroupSize, "bits": &e.Bits} {
		if object[key] == nil {
			continue
		}
		n, _ := object[key].(json.Number)
		i, err := n.Int64()
		if *to = int(i); err != nil {
			*to = 0
		}
	}
	return e
}

// holds says whether that is true of a tensor. One that is not quantized needs no words: it has no scales.
func (s said) holds(f quant.Format) bool {
	if !f.IsQuantized() {
		return s.plain || !s.own
	}
	return !s.plain && s.format == pathEntryOf(f)
}
