package source

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"qimport/arch"
	"qimport/convert/safetensors"
	"qimport/internal/untrusted"
	"qimport/quant"
)

// arrays is every array of a source by its name in the headers.
type arrays map[string]Part

// readArrays lists what the headers hold, but for the names in skip. A name in two files is an error.
func readArrays(files []*safetensors.File, skip []string) (arrays, error) {
	all := arrays{}
	for i, f := range files {
		for _, t := range f.Header.Tensors {
			if _, ignored := slices.BinarySearch(skip, t.Name); ignored {
				continue
			}
			if err := untrusted.CheckName(t.Name); err != nil {
				return nil, fmt.Errorf("%s: tensor %.60q: %w", f.Name(), t.Name, err)
			}
			if other, twice := all[t.Name]; twice {
				return nil, fmt.Errorf("tensor %s is in both %s and %s", t.Name, files[other.Shard].Name(), f.Name())
			}
			all[t.Name] = Part{Name: t.Name, Shard: i, Dtype: t.Dtype, Shape: t.Shape, Offset: f.Header.DataStart + t.Begin, Bytes: t.End - t.Begin}
		}
	}
	return all, nil
}

// checkNumber refuses many more arrays than the config can account for, before each of them costs us a
// tensor: up to eight for each logical tensor, experts one by one, and as many as a vision tower has
// many times over.
func checkNumber(config arch.Config, files []*safetensors.File) error {
	const apiece, beside, projections = 8, 20_000, 3
	n := 0
	for _, f := range files {
		n += len(f.Header.Tensors)
	}
	if most := beside + apiece*(len(config.Expected())+projections*(config.Layers+1)*config.Experts); n > most {
		return fmt.Errorf("there are %d tensors, and a model of this config has at most %d: config.json is another model's", n, most)
	}
	return nil
}

// bundle is the arrays of one logical tensor, by the words that the makers of checkpoints have for
// them. Main is the logical tensor's name.
type bundle struct {
	main    string
	weight  Part // .weight, or the name itself
	packed  Part // .weight_packed: compressed-tensors
	scales  Part // .scales: MLX; .scale in a store
	biases  Part // .biases: MLX; .bias in a store
	global  Part // .global_scale: MLX, and in a store
	scale   Part // .weight_scale: FP8, compressed-tensors, ModelOpt
	inverse Part // .weight_scale_inv: block FP8
	factor  Part // .weight_scale_2: ModelOpt
	divisor Part // .weight_global_scale: compressed-tensors
	zeros   Part // .weight_zero_point: compressed-tensors; .qzeros: GPTQ and AWQ
	dims    Part // .weight_shape: compressed-tensors
	inputs  Part // .pre_quant_scale: ModelOpt
	qweight Part // .qweight: GPTQ and AWQ, with .scales
	order   Part // .g_idx: GPTQ; .weight_g_idx: compressed-tensors
}

// any is one of the bundle's arrays, the weight if there is one.
func (b *bundle) any() Part {
	for _, p := range []Part{b.weight, b.packed, b.scales, b.biases, b.global, b.scale, b.inverse, b.factor, b.divisor, b.zeros, b.dims, b.qweight, b.order} {
		if p.Exists() {
			return p
		}
	}
	return b.inputs
}

// suffixes tells which field of a bundle an array with that suffix belongs to. What stands before the
// suffix is the main name or, if module, the module's path.
var suffixes = []struct {
	suffix string
	module bool
	field  func(*bundle) *Part
}{
	{".scales", true, func(b *bundle) *Part { return &b.scales }},
	{".biases", true, func(b *bundle) *Part { return &b.biases }},
	{".global_scale", true, func(b *bundle) *Part { return &b.global }},
	{".qweight", true, func(b *bundle) *Part { return &b.qweight }},
	{".qzeros", true, func(b *bundle) *Part { return &b.zeros }},
	{".g_idx", true, func(b *bundle) *Part { return &b.order }},
	{"_packed", false, func(b *bundle) *Part { return &b.packed }},
	{"_scale_inv", false, func(b *bundle) *Part { return &b.inverse }},
	{"_scale_2", false, func(b *bundle) *Part { return &b.factor }},
	{"_global_scale", false, func(b *bundle) *Part { return &b.divisor }},
	{".pre_quant_scale", true, func(b *bundle) *Part { return &b.inputs }},
	{"_scale", false, func(b *bundle) *Part { return &b.scale }},
	{"_zero_point", false, func(b *bundle) *Part { return &b.zeros }},
	{"_shape", false, func(b *bundle) *Part { return &b.dims }},
	{"_g_idx", false, func(b *bundle) *Part { return &b.order }},
}

// activations are suffixes of arrays that only quantized arithmetic needs: scales, zero points and offsets
// of inputs and of the KV cache. They are left out.
var activations = []string{
	".input_scale", ".input_global_scale", "_input_scale", ".input_zero_point", ".output_scale", ".output_zero_point",
	".k_scale", ".v_scale", ".q_scale", ".k_zero_point", ".v_zero_point", ".q_zero_point",
	".k_global_scale", ".v_global_scale", ".q_global_scale", ".k_proj.k_bias", ".v_proj.v_bias",
}

// member is one array and whose part it is.
type member struct {
	main, name string
	field      func(*bundle) *Part // nil for the weight
}

// members says of every array which logical tensor it belongs to, sorted by main name, and counts the
// activation scales that it leaves out.
func members(all arrays) ([]member, int, error) {
	list, dropped := make([]member, 0, len(all)), 0
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if err := checkForeign(name); err != nil {
			return nil, 0, err
		}
		if hasSuffix(name, activations) {
			dropped++
			continue
		}
		m := member{main: name, name: name}
		if main, field, ok := splitSuffix(all, name); ok {
			m.main, m.field = main, field
		}
		list = append(list, m)
	}
	slices.SortStableFunc(list, func(a, b member) int { return strings.Compare(a.main, b.main) })
	return list, dropped, nil
}

// bundles puts the arrays of each logical tensor together, one after the other: all at once they would
// take ten times the room of the names.
func bundles(all arrays, list []member) iter.Seq[*bundle] {
	return func(yield func(*bundle) bool) {
		for len(list) > 0 {
			b := &bundle{main: list[0].main}
			for ; len(list) > 0 && list[0].main == b.main; list = list[1:] {
				to := &b.weight
				if list[0].field != nil {
					to = list[0].field(b)
				}
				*to = all[list[0].name]
			}
			if !yield(b) {
				return
			}
		}
	}
}

func hasSuffix(name string, suffixes []string) bool {
	return slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(name, s) })
}

// splitSuffix says whose part an array is, if it is not a tensor of its own. "P.weight_scale" is one
// even where "P.weight" is missing, so that this can be told; "x_scale" only beside an "x".
func splitSuffix(all arrays, name string) (main string, field func(*bundle) *Part, ok bool) {
	for _, c := range suffixes {
		stem, cut := strings.CutSuffix(name, c.suffix)
		if !cut {
			continue
		}
		main := stem
		if _, bare := all[stem]; c.module && !bare {
			main = stem + ".weight"
		}
		_, plain := all[main]
		_, packed := all[main+"_packed"]
		if plain || packed || strings.HasSuffix(main, ".weight") {
			return main, c.field, true
		}
	}
	return "", nil, false
}

// String is the array's dtype and shape, for errors.
func (p Part) String() string {
	if !p.Exists() {
		return "nothing"
	}
	return fmt.Sprintf("%s %v", p.Dtype, p.Shape)
}

// is says whether p is an array of that dtype and shape.
func (p Part) is(d quant.Dtype, shape []int) bool {
	return p.Dtype == d && slices.Equal(p.Shape, shape)
}
