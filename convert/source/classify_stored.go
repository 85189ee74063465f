package source

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"qimport/arch"
	"qimport/quant"
)

// bundleStored puts the arrays of stored tensors together, sorted by main key. Beside "<key>" there
// may be "<key>.scale", "<key>.global_scale" and, only with a scale, "<key>.bias". A name ending in
// .bias without that is a tensor of its own: a layer's bias.
func bundleStored(all arrays) iter.Seq[*bundle] {
	part := func(name string) Part { return all[name] } // zero where there is none
	return func(yield func(*bundle) bool) {
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if isStoredPart(all, name) {
				continue
			}
			b := &bundle{main: name, weight: all[name], scales: part(name + ".scale"), global: part(name + ".global_scale"), factor: part(name + "_scale_2")}
			if b.scales.Exists() {
				b.biases = part(name + ".bias")
			}
			if !yield(b) {
				return
			}
		}
	}
}

// isStoredPart says whether an array is a part of another tensor.
func isStoredPart(all arrays, name string) bool {
	for _, suffix := range []string{".scale", ".bias", ".global_scale", "_scale_2"} {
		main, cut := strings.CutSuffix(name, suffix)
		_, exists := all[main]
		_, scaled := all[main+".scale"]
		if cut && exists && (suffix != ".bias" || scaled) {
			return true
		}
	}
	return false
}

// classifyStored says what a stored tensor is, from the metadata of its blob.
func (c *classifier) classifyStored(b *bundle, metadata map[string]string) (Tensor, error) {
	t := Tensor{Name: b.main, Body: arch.Body(b.main)}
	t.Role, t.MTP = arch.RoleOf(t.Body), arch.IsMTP(t.Body)
	if err := c.storedEncoding(b, &t, metadata); err != nil {
		return Tensor{}, fmt.Errorf("%s: tensor %s: %w", c.shards[b.any().Shard].Name, b.main, err)
	}
	return t, nil
}

func (c *classifier) storedEncoding(b *bundle, t *Tensor, metadata map[string]string) error {
	if b.global.Exists() && b.factor.Exists() {
		return fmt.Errorf("it has both %s and %s", b.global.Name, b.factor.Name)
	}
	global := b.global
	if b.factor.Exists() {
		global = b.factor
	}
	if !b.scales.Exists() {
		if err := refuse(global); err != nil {
			return err
		}
		return c.plain(&bundle{main: b.main, weight: b.weight}, t)
	}
	if err := c.checkMLXArrays(b); err != nil {
		return err
	}
	f, err := storedFormat(metadata, b.main)
	if errors.Is(err, errNoFormat) {
		f, err = c.guessStored(b, t)
	}
	if err != nil {
		return err
	}
	if err := c.setPacked(b, t, f, "its blob's metadata"); err != nil {
		return err
	}
	if !global.Exists() {
		return nil
	}
	t.Global, t.Pieces[0].Global = GlobalFactor, global
	return checkStoredGlobal(global, t)
}

// checkStoredGlobal takes one number for the tensor, or one for each of its first dimension.
func checkStoredGlobal(g Part, t *Tensor) error {
	n := quant.Elements(g.Shape)
	if t.Format.Mode != quant.NVFP4 || g.Dtype != quant.F32 || n != 1 && n != t.Shape[0] {
		return fmt.Errorf("%s is %s, which is no global scale of a tensor %v in %s", g.Name, g, t.Shape, t.Format)
	}
	return nil
}

func (c *classifier) guessStored(b *bundle, t *Tensor) (quant.Format, error) {
	f, ok := c.infer(b, t)
	if !ok {
		return f, fmt.Errorf("its blob has no quant_type, and the arrays (%s with scales %s) do not tell it", b.weight, b.scales)
	}
	c.inferred++
	return f, nil
}

// errNoFormat says that the metadata has no quant_type for a tensor.
var errNoFormat = errors.New("no quant_type")

// storedFormat reads a tensor's format: from "<name>.quant_type" and "<name>.group_size", else from
// the blob-wide pair. A type that is not known is an error: Ollama would read it as 8 bits.
func storedFormat(metadata map[string]string, name string) (quant.Format, error) {
	get := func(key string) string {
		if v, ok := metadata[name+"."+key]; ok {
			return v
		}
		return metadata[key]
	}
	kind, size := get("quant_type"), get("group_size")
	if kind == "" {
		return quant.Format{}, errNoFormat
	}
	group := 0
	if size != "" {
		var err error
		if group, err = strconv.Atoi(size); err != nil {
			return quant.Format{}, fmt.Errorf("its blob says group_size %q, no number", size)
		}
	}
	f, ok := formatOfType(kind, group)
	if !ok {
		return f, fmt.Errorf("unsupported type: its blob says quant_type %q with group_size %q", kind, size)
	}
	return f, nil
}
