package source

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"qimport/arch"
	"qimport/quant"
)

// modelOptScheme is the config of ModelOpt: one algorithm, or one for each layer.
type modelOptScheme struct {
	algorithm string            // of every quantized layer; mixedPrecision where each has its own
	layers    map[string]string // module path without containers -> algorithm
}

const mixedPrecision = "MIXED_PRECISION"

// modelOptAlgorithms are ModelOpt's words, and whether a tensor of that format is one of theirs. What they
// say of activations beside the weights is of no concern here. A matrix of one block has one scale.
var modelOptAlgorithms = map[string]func(quant.Format) bool{
	"NVFP4":                     func(f quant.Format) bool { return f.Mode == quant.NVFP4 },
	"NVFP4_AWQ":                 func(f quant.Format) bool { return f.Mode == quant.NVFP4 },
	"W4A16_NVFP4":               func(f quant.Format) bool { return f.Mode == quant.NVFP4 },
	"W4A8_NVFP4_FP8":            func(f quant.Format) bool { return f.Mode == quant.NVFP4 },
	"MXFP4":                     func(f quant.Format) bool { return f.Mode == quant.MXFP4 },
	"W4A8_MXFP4_FP8":            func(f quant.Format) bool { return f.Mode == quant.MXFP4 },
	"MXFP8":                     func(f quant.Format) bool { return f.Mode == quant.MXFP8 },
	"FP8":                       func(f quant.Format) bool { return f.Mode == quant.FP8 && f.BlockRows == 0 },
	"FP8_PER_CHANNEL_PER_TOKEN": func(f quant.Format) bool { return f.Mode == quant.FP8 && f.BlockRows == 1 },
	"FP8_PB_WO":                 func(f quant.Format) bool { return f.Mode == quant.FP8 && f.BlockRows != 1 },
	"FP8_PB_REAL":               func(f quant.Format) bool { return f.Mode == quant.FP8 && f.BlockRows != 1 },
	"W8A16":                     func(f quant.Format) bool { return f.Mode == quant.Int && f.Bits == 8 },
	"W8A8_SQ_PER_CHANNEL":       func(f quant.Format) bool { return f.Mode == quant.Int && f.Bits == 8 },
	"W4A16_AWQ":                 func(f quant.Format) bool { return f.Mode == quant.Int && f.Bits == 4 },
}

// parseHFQuant reads ModelOpt's own file.
func parseHFQuant(b []byte) (scheme, error) {
	top, err := parseObject(b)
	if err != nil {
		return scheme{}, fmt.Errorf("hf_quant_config.json: %w", err)
	}
	block, err := parseObject(top["quantization"])
	if err != nil {
		return scheme{}, fmt.Errorf("hf_quant_config.json: quantization: %w", err)
	}
	if !block.has("quant_algo") {
		return scheme{}, nil
	}
	s := scheme{method: methodModelOpt}
	if s.modelOpt, err = parseModelOpt(block); err != nil {
		return scheme{}, fmt.Errorf("hf_quant_config.json: %w", err)
	}
	return s, nil
}

// parseModelOpt reads the block of config.json or of ModelOpt's own file, which have the same words.
func parseModelOpt(block object) (modelOptScheme, error) {
	s := modelOptScheme{algorithm: strings.ToUpper(block.str("quant_algo")), layers: map[string]string{}}
	if s.algorithm != mixedPrecision {
		_, err := parseAlgorithm(block)
		return s, err
	}
	if !block.has("quantized_layers") {
		return s, nil
	}
	layers, err := parseObject(block["quantized_layers"])
	if err != nil {
		return s, fmt.Errorf("quantized_layers: %w", err)
	}
	for _, path := range slices.Sorted(maps.Keys(layers)) {
		layer, err := parseObject(layers[path])
		if err != nil {
			return s, fmt.Errorf("quantized_layers: %.80q: %w", path, err)
		}
		algorithm, err := parseAlgorithm(layer)
		if err != nil {
			return s, fmt.Errorf("quantized_layers: %.80q: %w", path, err)
		}
		body := arch.Body(path)
		if other, twice := s.layers[body]; twice && other != algorithm {
			return s, fmt.Errorf("quantized_layers: two entries mean %.80q, and say %s and %s", path, other, algorithm)
		}
		s.layers[body] = algorithm
	}
	return s, nil
}

// parseAlgorithm refuses what ModelOpt can do and qimport cannot read, by its name.
func parseAlgorithm(o object) (string, error) {
	name := strings.ToUpper(o.str("quant_algo"))
	is, known := modelOptAlgorithms[name]
	if !known {
		return "", unreadable("unsupported quant_algo %.80q; supported: %s, and %s of these", o.str("quant_algo"),
			strings.Join(slices.Sorted(maps.Keys(modelOptAlgorithms)), ", "), mixedPrecision)
	}
	var group int
	if o.has("group_size") && json.Unmarshal(o["group_size"], &group) != nil {
		return "", fmt.Errorf("group_size is %.40s, no number", o["group_size"])
	}
	for _, f := range []quant.Format{quant.FormatNVFP4, quant.FormatMXFP4, quant.FormatMXFP8} {
		wide := f == quant.FormatNVFP4 && group == wideNVFP4
		if is(f) && group != 0 && group != f.GroupSize && !wide {
			return "", fmt.Errorf("group_size %d: %s has groups of %d", group, f, f.GroupSize)
		}
	}
	return name, nil
}

// check holds the format that a tensor's arrays show to the algorithm that the config names for its module.
func (s modelOptScheme) check(path string, f quant.Format) error {
	algorithm := s.algorithm
	if algorithm == mixedPrecision {
		var named bool
		if algorithm, named = s.layers[arch.Body(path)]; !named {
			return nil // stacks go by other paths; the arrays tell
		}
	}
	if !modelOptAlgorithms[algorithm](f) {
		return fmt.Errorf("the config's quant_algo for it is %s, but its arrays are %s", algorithm, f)
	}
	return nil
}
