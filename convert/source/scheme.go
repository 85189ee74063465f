package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// scheme is what a checkpoint's config says about quantization. One of its parts is set, by method.
type scheme struct {
	method     method
	mlx        mlxScheme
	fp8        fp8Scheme
	compressed compressedScheme
	modelOpt   modelOptScheme
	columns    columnScheme
}

// method is who quantized a checkpoint, which decides how its arrays are named and to be read.
type method string

const (
	unquantized       method = ""
	methodMLX         method = "mlx"
	methodFP8         method = "fp8"
	methodCompressed  method = "compressed-tensors"
	methodModelOpt    method = "modelopt"
	methodColumns     method = "gptq, awq or auto-round"
	knownQuantMethods        = "mlx, fp8, compressed-tensors, modelopt, gptq, awq, auto-round"
)

// parseScheme reads the quantization block of config.json, wherever it is, or ModelOpt's separate
// hf_quant_config.json (nil for none). A method that qimport cannot read is refused by its name.
func parseScheme(config, hfQuant []byte) (scheme, error) {
	top, err := parseObject(config)
	if err != nil {
		return scheme{}, fmt.Errorf("config.json: %w", err)
	}
	block, key, err := quantBlock(top)
	if err != nil {
		return scheme{}, fmt.Errorf("config.json: %w", err)
	}
	if block == nil && hfQuant != nil {
		return parseHFQuant(hfQuant)
	}
	if block == nil {
		return scheme{}, nil
	}
	s, err := parseBlock(block)
	if err != nil {
		return scheme{}, fmt.Errorf("config.json: %s: %w", key, err)
	}
	return s, nil
}

// quantBlock finds the block, and says under which key; nil for none.
func quantBlock(top object) (object, string, error) {
	places := []struct {
		name string
		in   object
	}{{"", top}}
	if top.has("text_config") {
		text, err := parseObject(top["text_config"])
		if err != nil {
			return nil, "", fmt.Errorf("text_config: %w", err)
		}
		places = append(places, struct {
			name string
			in   object
		}{"text_config.", text})
	}
	for _, place := range places {
		for _, key := range []string{"quantization", "quantization_config", "compression_config"} {
			if place.in.has(key) {
				block, err := parseObject(place.in[key])
				if err != nil {
					return nil, "", fmt.Errorf("%s%s: %w", place.name, key, err)
				}
				return block, place.name + key, nil
			}
		}
	}
	return nil, "", nil
}

func parseBlock(block object) (s scheme, err error) {
	s.method = method(strings.ToLower(block.str("quant_method")))
	switch {
	case s.method == unquantized:
		s.method = guessMethod(block)
	case strings.HasPrefix(string(s.method), string(methodModelOpt)+"_"): // modelopt_fp4, modelopt_mixed
		s.method = methodModelOpt
	}
	if name := string(s.method); isColumnMethod(name) {
		s.method = methodColumns
		s.columns, err = parseColumns(name, block)
		return s, err
	}
	switch s.method {
	case methodMLX:
		s.mlx, err = parseMLX(block)
	case methodFP8:
		s.fp8, err = parseFP8(block)
	case methodCompressed:
		s.compressed, err = parseCompressed(block)
	case methodModelOpt:
		s.modelOpt, err = parseModelOpt(block)
	default:
		err = unreadable("unsupported quant_method %.80q; supported: %s", s.method, knownQuantMethods)
	}
	return s, err
}

// guessMethod names the method of a block without quant_method: MLX writes none.
func guessMethod(block object) method {
	switch {
	case block.has("config_groups") && block.has("quant_algo"):
		return methodModelOpt
	case block.has("config_groups"):
		return methodCompressed
	}
	return methodMLX
}

// fp8Scheme is what the config says of FP8 weights: the block that shares a scale, if any.
type fp8Scheme struct {
	blockRows, blockCols int // 0, 0: one scale for a tensor
}

func parseFP8(block object) (fp8Scheme, error) {
	if fmtName := block.str("fmt"); fmtName != "" && fmtName != "e4m3" {
		return fp8Scheme{}, unreadable("unsupported fmt %.80q; supported: e4m3", fmtName)
	}
	if !block.has("weight_block_size") {
		return fp8Scheme{}, nil
	}
	rows, cols, err := parseBlockSize(block["weight_block_size"])
	if err != nil {
		return fp8Scheme{}, fmt.Errorf("weight_block_size: %w", err)
	}
	return fp8Scheme{rows, cols}, nil
}

// parseBlockSize reads [rows, columns].
func parseBlockSize(raw json.RawMessage) (rows, cols int, err error) {
	var size []int
	if json.Unmarshal(raw, &size) != nil || len(size) != 2 || size[0] < 1 || size[1] < 1 {
		return 0, 0, errors.New("not two positive sizes")
	}
	return size[0], size[1], nil
}
