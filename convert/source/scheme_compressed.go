package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"qimport/internal/untrusted"
	"qimport/quant"
)

// compressedScheme is the config of compressed-tensors: groups of modules, each with its format.
type compressedScheme struct {
	groups  []compressedGroup // by name
	targets []target          // of all groups, in the order in which they are asked
	ignored []target          // modules that no group takes
}

// compressedGroup is one entry of config_groups. Format is one of nvfp4, mxfp4, mxfp8, FP8 and Int.
type compressedGroup struct {
	name   string
	format quant.Format
}

func parseCompressed(block object) (compressedScheme, error) {
	if err := checkTransforms(block); err != nil {
		return compressedScheme{}, err
	}
	if err := checkSparsity(block); err != nil {
		return compressedScheme{}, err
	}
	groups, err := parseObject(block["config_groups"])
	if err != nil {
		return compressedScheme{}, errors.New("config_groups is missing or no object")
	}
	var s compressedScheme
	budget := targetBudget
	for i, name := range slices.Sorted(maps.Keys(groups)) {
		g, texts, err := parseGroup(name, groups[name], block.str("format"))
		if err != nil {
			return compressedScheme{}, fmt.Errorf("config_groups.%s: %w", name, err)
		}
		targets, err := parseTargets(texts, i, &budget)
		if err != nil {
			return compressedScheme{}, fmt.Errorf("config_groups.%s: %w", name, err)
		}
		s.groups, s.targets = append(s.groups, g), append(s.targets, targets...)
	}
	if s.ignored, err = parseIgnored(block, &budget); err != nil {
		return compressedScheme{}, fmt.Errorf("ignore: %w", err)
	}
	return s, s.sortTargets()
}

func parseGroup(name string, raw json.RawMessage, common string) (g compressedGroup, targets []string, err error) {
	o, err := parseObject(raw)
	if err != nil {
		return g, nil, err
	}
	if own := o.str("format"); own != "" {
		common = own
	}
	g.name = name
	if g.format, err = compressedFormat(common, o); err != nil {
		return g, nil, err
	}
	if json.Unmarshal(o["targets"], &targets) != nil {
		return g, nil, errors.New("targets is no list of names")
	}
	return g, targets, nil
}

// checkTransforms refuses rotations that are applied while the model runs: without them its numbers mean
// nothing. Those of weights are in the weights already.
func checkTransforms(block object) error {
	if !block.has("transform_config") {
		return nil
	}
	var config struct {
		Groups map[string]struct {
			Type  string `json:"type"`
			Apply []struct {
				Location string `json:"location"`
			} `json:"apply"`
		} `json:"config_groups"`
	}
	if err := untrusted.Unmarshal(block["transform_config"], &config); err != nil {
		return fmt.Errorf("transform_config: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(config.Groups)) {
		g := config.Groups[name]
		for _, a := range g.Apply {
			if a.Location != "weight_input" && a.Location != "weight_output" {
				return unreadable("transform_config.%s: unsupported transform: a %s rotation at %.80q is applied while the model runs; only those that are part of the weights (weight_input, weight_output) can be imported",
					name, g.Type, a.Location)
			}
		}
	}
	return nil
}

// checkSparsity refuses weights of which the zeros are left out.
func checkSparsity(block object) error {
	if !block.has("sparsity_config") {
		return nil
	}
	o, err := parseObject(block["sparsity_config"])
	if err != nil {
		return fmt.Errorf("sparsity_config: %w", err)
	}
	if f := o.str("format"); f != "" && f != "dense" {
		return unreadable("sparsity_config: unsupported format %.80q; supported: dense", f)
	}
	return nil
}

// compressedWeights is the weights object of a group.
type compressedWeights struct {
	NumBits        int             `json:"num_bits"`
	Type           string          `json:"type"`
	Symmetric      *bool           `json:"symmetric"`
	Strategy       string          `json:"strategy"`
	GroupSize      *int            `json:"group_size"`
	BlockStructure json.RawMessage `json:"block_structure"`
}

const compressedFormats = "nvfp4-pack-quantized, mxfp4-pack-quantized, mxfp8-quantized, float-quantized and naive-quantized with 8 bits, pack-quantized, int-quantized and naive-quantized with 2 to 8"

// compressedFormat reads a group's format by the name that compressed-tensors has for it.
func compressedFormat(name string, group object) (quant.Format, error) {
	var w compressedWeights
	if err := untrusted.Unmarshal(group["weights"], &w); err != nil {
		return quant.Format{}, fmt.Errorf("weights: %w", err)
	}
	naive := name == "naive-quantized"
	switch {
	case name == "nvfp4-pack-quantized":
		return groupFormat(quant.FormatNVFP4, w)
	case name == "mxfp4-pack-quantized":
		return groupFormat(quant.FormatMXFP4, w)
	case name == "mxfp8-quantized":
		return groupFormat(quant.FormatMXFP8, w)
	case (name == "float-quantized" || naive) && w.Type == "float" && w.NumBits == 8:
		return floatFormat(w)
	case name == "pack-quantized" && w.Type == "int":
		return intFormat(w, quant.Words)
	case (name == "int-quantized" || naive) && w.Type == "int":
		return intFormat(w, quant.Bytes)
	}
	return quant.Format{}, unreadable("unsupported format %.80q (%d bits, type %.80q); supported: %s", name, w.NumBits, w.Type, compressedFormats)
}

func groupFormat(f quant.Format, w compressedWeights) (quant.Format, error) {
	if w.GroupSize != nil && *w.GroupSize != f.GroupSize {
		return f, fmt.Errorf("group_size %d: %s has groups of %d", *w.GroupSize, f, f.GroupSize)
	}
	return f, nil
}

// strategy says which weights share a scale, as compressed-tensors follows it where it is not said.
func (w compressedWeights) strategy() string {
	switch {
	case w.Strategy != "":
		return w.Strategy
	case w.GroupSize == nil:
		return "tensor"
	case *w.GroupSize == -1:
		return "channel"
	}
	return "group"
}

// group is the size of groups, which no row of a model reaches a billion of.
func (w compressedWeights) group() (int, error) {
	const most = 1 << 30
	if w.GroupSize == nil || *w.GroupSize < 1 || *w.GroupSize > most {
		return 0, errors.New("group_size is no size of a group")
	}
	return *w.GroupSize, nil
}

// floatFormat reads which e4m3 weights share a scale.
func floatFormat(w compressedWeights) (f quant.Format, err error) {
	f = quant.Format{Mode: quant.FP8, Bits: 8}
	switch w.strategy() {
	case "tensor":
	case "channel":
		f.BlockRows = 1
	case "group":
		f.BlockRows = 1
		f.BlockCols, err = w.group()
	case "block":
		if f.BlockRows, f.BlockCols, err = parseBlockSize(w.BlockStructure); err != nil {
			err = fmt.Errorf("block_structure: %w", err)
		}
	default:
		err = unreadable("unsupported strategy %.80q; supported: tensor, channel, group, block", w.Strategy)
	}
	return f, err
}

// intFormat reads bits and groups of integers.
func intFormat(w compressedWeights, p quant.Packing) (f quant.Format, err error) {
	f = quant.IntFormat(w.NumBits, 0, p, w.Symmetric != nil && !*w.Symmetric)
	switch w.strategy() {
	case "tensor":
		f.BlockRows = 0
	case "channel":
	case "group":
		f.GroupSize, err = w.group()
	default:
		err = unreadable("unsupported strategy %.80q for integers; supported: tensor, channel, group", w.Strategy)
	}
	if err == nil && f.Validate() != nil {
		err = unreadable("unsupported number of bits %d; supported: 2 to 8", w.NumBits)
	}
	return f, err
}
