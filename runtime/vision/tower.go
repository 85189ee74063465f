package vision

import (
	"fmt"

	"qimport/arch"
	"qimport/runtime/layer"
	"qimport/runtime/mlx"
)

// normEps is that of all norms of all towers.
const normEps = 1e-6

// Load finds a tensor of the tower by its name in it, "blocks.0.norm1.weight", in the first of the shapes
// that it has. One that is missing is reported by who gave the function, and stood in for.
type Load func(name string, shapes ...[]int) *layer.Stored

// Tower is a tower as it is computed.
type Tower struct {
	sizes        arch.Tower
	compute      layer.Compute
	embed        *layer.Linear
	channelsLast bool         // of the patch embedding's rows
	positions    *layer.Param // [side*side, hidden], float32
	blocks       []block
	merger       *merger
	deepstack    []*merger
}

// New describes the tower of that config, over tensors that load finds.
func New(c layer.Compute, z arch.Tower, load Load) *Tower {
	t := &Tower{sizes: z, compute: c}
	first := []int{z.Hidden, z.Channels, z.Temporal, z.Patch, z.Patch}
	last := []int{z.Hidden, z.Temporal, z.Patch, z.Patch, z.Channels}
	patches := load("patch_embed.proj.weight", first, last)
	t.channelsLast = patches.Tensor.Shape[1] != z.Channels
	t.embed = layer.NewBiased(c, layer.NewFlat(patches), layer.NewColumn(load("patch_embed.proj.bias", []int{z.Hidden})))
	t.positions = layer.NewTable(load("pos_embed.weight", []int{z.Positions, z.Hidden}))
	b := builder{compute: c, load: load}
	for i := range z.Depth {
		t.blocks = append(t.blocks, b.block(fmt.Sprintf("blocks.%d.", i), z))
	}
	t.merger = b.merger("merger.", z, false)
	for i := range z.Deepstack {
		t.deepstack = append(t.deepstack, b.merger(fmt.Sprintf("deepstack_merger_list.%d.", i), z, true))
	}
	return t
}

// builder makes parts of a tower.
type builder struct {
	compute layer.Compute
	load    Load
}

// linear is the map [out, in] of that path, with its bias.
func (b builder) linear(path string, out, in int) *layer.Linear {
	return layer.NewBiased(b.compute, layer.NewMatrix(b.load(path+".weight", []int{out, in})), layer.NewColumn(b.load(path+".bias", []int{out})))
}

// norm is the norm [n] of that path.
func (b builder) norm(path string, n int) *layer.LayerNorm {
	return layer.NewLayerNorm(b.compute, b.load(path+".weight", []int{n}), b.load(path+".bias", []int{n}), normEps)
}

// Params lists the tower's arrays.
func (t *Tower) Params() []*layer.Param {
	all := []*layer.Param{t.positions}
	for _, n := range t.norms() {
		all = append(all, n.Params()...)
	}
	for _, l := range t.linears() {
		all = append(all, l.Params()...)
	}
	return all
}

// Mapped lists what the tower multiplies by where it lies.
func (t *Tower) Mapped() (all []*layer.Mapped) {
	for _, l := range t.linears() {
		all = append(all, l.Mapped()...)
	}
	return all
}

func (t *Tower) linears() []*layer.Linear {
	all := []*layer.Linear{t.embed}
	for _, b := range t.blocks {
		all = append(all, b.linears()...)
	}
	for _, m := range t.mergers() {
		all = append(all, m.linears()...)
	}
	return all
}

func (t *Tower) norms() (all []*layer.LayerNorm) {
	for _, b := range t.blocks {
		all = append(all, b.norms()...)
	}
	for _, m := range t.mergers() {
		all = append(all, m.norm)
	}
	return all
}

func (t *Tower) mergers() []*merger { return append([]*merger{t.merger}, t.deepstack...) }

// Features are what stands in the place of a picture's tokens, row by row of a grid that has Merge by
// Merge patches a token.
type Features struct {
	Merged    *mlx.Array   // [tokens, out]
	Deepstack []*mlx.Array // of the same shape, to be added after the text model's first blocks
}

// See computes the features of a picture of rows by columns patches, whose values are patches
// [rows*columns, channels*temporal*patch*patch] in the order of squares. each, unless nil, is given the
// states [patches, hidden] after every block. One block is computed after the other, so that little is
// in memory and a cancelled context ends it soon.
func (t *Tower) See(s *mlx.Scope, patches []float32, rows, columns int, each func(block int, states *mlx.Array) error) (Features, error) {
	var f Features
	turns := t.turns(s, rows, columns)
	x := s.Only(func(s *mlx.Scope) *mlx.Array {
		return s.Add(t.embedPatches(s, patches), s.AsType(t.interpolate(s, rows, columns), t.compute.Activation()))
	})
	for i, b := range t.blocks {
		y := s.Only(func(s *mlx.Scope) *mlx.Array { return b.forward(s, x, turns) })
		if err := s.Eval(y); err != nil {
			return f, err
		}
		x.Free()
		x = y
		if each != nil {
			if err := each(i, x); err != nil {
				return f, err
			}
		}
		for k, at := range t.sizes.Deepstack {
			if at == i {
				f.Deepstack = append(f.Deepstack, t.deepstack[k].forward(s, x))
			}
		}
	}
	f.Merged = t.merger.forward(s, x)
	return f, s.Eval(append(f.Deepstack, f.Merged)...)
}

// embedPatches is the patches [n, channels*temporal*patch*patch] as states [n, hidden].
func (t *Tower) embedPatches(s *mlx.Scope, patches []float32) *mlx.Array {
	z := t.sizes
	pixels := z.Temporal * z.Patch * z.Patch
	n := len(patches) / (z.Channels * pixels)
	x := s.FromFloat32(patches, n, z.Channels, pixels)
	if t.channelsLast {
		x = s.Transpose(x, 0, 2, 1)
	}
	return t.embed.Apply(s, s.AsType(s.Reshape(x, n, z.Channels*pixels), t.compute.Activation()))
}
