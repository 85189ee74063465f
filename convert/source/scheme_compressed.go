package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"qimport/arch"
	"qimport/internal/untrusted"
	"qimport/quant"
)

// compressedScheme is the config of compressed-tensors: groups of modules, each with its format.
type compressedScheme struct {
	groups []compressedGroup // by name
}

// compressedGroup is one entry of config_groups. Format is one of nvfp4, mxfp4 and FP8.
type compressedGroup struct {
	name    string
	classes bool             // a target is a class such as Linear, which takes any module
	paths   []string         // targets that are module paths
	regexps []*regexp.Regexp // targets "re:…", matched at the start as Python's re.match does
	format  quant.Format
}

func parseCompressed(block object) (compressedScheme, error) {
	groups, err := parseObject(block["config_groups"])
	if err != nil {
		return compressedScheme{}, errors.New("config_groups is missing or no object")
	}
	var s compressedScheme
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		g, err := parseGroup(name, groups[name], block.str("format"))
		if err != nil {
			return compressedScheme{}, fmt.Errorf("config_groups.%s: %w", name, err)
		}
		s.groups = append(s.groups, g)
	}
	return s, nil
}

func parseGroup(name string, raw json.RawMessage, common string) (compressedGroup, error) {
	o, err := parseObject(raw)
	if err != nil {
		return compressedGroup{}, err
	}
	if own := o.str("format"); own != "" {
		common = own
	}
	g := compressedGroup{name: name}
	if g.format, err = compressedFormat(common, o); err != nil {
		return compressedGroup{}, err
	}
	var targets []string
	if err := json.Unmarshal(o["targets"], &targets); err != nil {
		return compressedGroup{}, errors.New("targets is no list of names")
	}
	for _, t := range targets {
		pattern, isRegexp := strings.CutPrefix(t, "re:")
		switch {
		case isRegexp:
			re, err := untrusted.Regexp(`\A(?:` + pattern + `)`)
			if err != nil {
				return compressedGroup{}, fmt.Errorf("target %q: %w", t, err)
			}
			g.regexps = append(g.regexps, re)
		case unicode.IsUpper(rune((t + "_")[0])): // Python names its classes so, and no module
			g.classes = true
		default:
			g.paths = append(g.paths, t)
		}
	}
	return g, nil
}

// compressedWeights is the weights object of a group.
type compressedWeights struct {
	NumBits        int             `json:"num_bits"`
	Type           string          `json:"type"`
	Strategy       string          `json:"strategy"`
	GroupSize      *int            `json:"group_size"`
	BlockStructure json.RawMessage `json:"block_structure"`
}

// compressedFormat reads a group's format by the name that compressed-tensors has for it.
func compressedFormat(name string, group object) (quant.Format, error) {
	var w compressedWeights
	if err := json.Unmarshal(group["weights"], &w); err != nil {
		return quant.Format{}, fmt.Errorf("weights: %w", err)
	}
	switch {
	case name == "nvfp4-pack-quantized":
		return groupFormat(quant.FormatNVFP4, w)
	case name == "mxfp4-pack-quantized":
		return groupFormat(quant.FormatMXFP4, w)
	case (name == "float-quantized" || name == "naive-quantized") && w.Type == "float" && w.NumBits == 8:
		return floatFormat(w)
	}
	return quant.Format{}, fmt.Errorf("unsupported format %q (%d bits, type %q); supported: nvfp4-pack-quantized, mxfp4-pack-quantized, float-quantized with 8 bits",
		name, w.NumBits, w.Type)
}

func groupFormat(f quant.Format, w compressedWeights) (quant.Format, error) {
	if w.GroupSize != nil && *w.GroupSize != f.GroupSize {
		return f, fmt.Errorf("group_size %d: %s has groups of %d", *w.GroupSize, f, f.GroupSize)
	}
	return f, nil
}

// floatFormat reads which e4m3 weights share a scale.
func floatFormat(w compressedWeights) (quant.Format, error) {
	f := quant.Format{Mode: quant.FP8, Bits: 8}
	switch w.Strategy {
	case "tensor":
		return f, nil
	case "channel":
		f.BlockRows = 1
		return f, nil
	case "block":
		rows, cols, err := parseBlockSize(w.BlockStructure)
		if err != nil {
			return f, fmt.Errorf("block_structure: %w", err)
		}
		f.BlockRows, f.BlockCols = rows, cols
		return f, nil
	}
	return f, fmt.Errorf("unsupported strategy %q; supported: tensor, channel, block", w.Strategy)
}

// group finds the group of a module: one that names it, else one that takes its class.
func (s compressedScheme) group(path string) (compressedGroup, error) {
	spellings := append(arch.Spellings(path), arch.Body(path))
	for _, g := range s.groups {
		if slices.ContainsFunc(spellings, g.names) {
			return g, nil
		}
	}
	for _, g := range s.groups {
		if g.classes {
			return g, nil
		}
	}
	return compressedGroup{}, fmt.Errorf("no group of the config's quantization covers module %s", path)
}

func (g compressedGroup) names(path string) bool {
	return slices.Contains(g.paths, path) || slices.ContainsFunc(g.regexps, func(re *regexp.Regexp) bool { return re.MatchString(path) })
}
