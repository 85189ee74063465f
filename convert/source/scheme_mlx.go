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

// mlxScheme is MLX's quantization block: a format for everything, and entries for module paths.
type mlxScheme struct {
	global  quant.Format
	entries map[string]mlxEntry // by path as the config spells it
	bodies  map[string]string   // path without containers -> path; "" where two entries disagree
}

// mlxEntry is the value of one path: false, or a format (that of the top level for true).
type mlxEntry struct {
	quantized bool
	format    quant.Format
}

// parseMLX reads the block. Every value that is a bool or an object is an entry; the others are the
// block's own parameters.
func parseMLX(block object) (mlxScheme, error) {
	global, err := mlxFormat(block)
	if err != nil {
		return mlxScheme{}, err
	}
	s := mlxScheme{global: global, entries: map[string]mlxEntry{}, bodies: map[string]string{}}
	for _, path := range slices.Sorted(maps.Keys(block)) {
		raw := block[path]
		entry := mlxEntry{quantized: true, format: global}
		switch {
		case raw[0] == '{':
			o, err := parseObject(raw)
			if err != nil {
				return mlxScheme{}, fmt.Errorf("%s: %w", path, err)
			}
			if entry.format, err = mlxFormat(o); err != nil {
				return mlxScheme{}, fmt.Errorf("%s: %w", path, err)
			}
		case string(raw) == "false":
			entry = mlxEntry{}
		case string(raw) != "true":
			continue
		}
		s.entries[path] = entry
		body := arch.Body(path)
		if other, twice := s.bodies[body]; twice && s.entries[other] != entry {
			path = ""
		}
		s.bodies[body] = path
	}
	return s, nil
}

// mlxFormat reads mode, bits and group_size. A missing mode is affine, also within an entry of a
// model of another mode; missing or null numbers are the mode's defaults.
func mlxFormat(o object) (quant.Format, error) {
	mode := "affine"
	if o.has("mode") {
		mode = o.str("mode")
	}
	var f quant.Format
	switch strings.ToLower(mode) {
	case "affine":
		f = quant.FormatInt4
	case "nvfp4":
		f = quant.FormatNVFP4
	case "mxfp4":
		f = quant.FormatMXFP4
	case "mxfp8":
		f = quant.FormatMXFP8
	default:
		return f, unreadable("unsupported mode %.80q; supported: affine, nvfp4, mxfp4, mxfp8", mode)
	}
	for key, field := range map[string]*int{"bits": &f.Bits, "group_size": &f.GroupSize} {
		if o.has(key) && json.Unmarshal(o[key], field) != nil {
			return f, fmt.Errorf("%s is %.40s, no number", key, o[key])
		}
	}
	if err := f.Validate(); err != nil {
		return f, unreadable("unsupported mode %s with %d bits and group_size %d; supported: affine with 2, 3, 4, 5, 6 or 8 bits and 32, 64 or 128, nvfp4 with 4 and 16, mxfp4 with 4 and 32, mxfp8 with 8 and 32",
			mode, f.Bits, f.GroupSize)
	}
	return f, nil
}

// lookup finds the entry of a module path: by its exact spelling, else by the same path under other
// containers. The name says where the format comes from, for errors.
func (s mlxScheme) lookup(path string) (entry mlxEntry, name string, own bool, err error) {
	if e, ok := s.entries[path]; ok {
		return e, path, true, nil
	}
	other, ok := s.bodies[arch.Body(path)]
	if !ok {
		return mlxEntry{quantized: true, format: s.global}, "top level", false, nil
	}
	if other == "" {
		return mlxEntry{}, "", false, fmt.Errorf("two entries of the config's quantization mean %s and disagree", path)
	}
	return s.entries[other], other, true, nil
}
