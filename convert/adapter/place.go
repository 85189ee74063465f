package adapter

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"qimport/arch"
	"qimport/convert/source"
	"qimport/quant"
)

// place is where the rows of a module's weight lie in a source, whose experts may be fused, stacked by
// projection or one by one.
type place struct {
	tensor      source.Tensor
	first, rows int // of the first expert
	experts     int
	step        int // rows from one expert to the next
	skip        int // rows of the module's weight that lie elsewhere, before these
	stack       bool
}

func matrix(t source.Tensor) place { return place{tensor: t, rows: t.Shape[0], experts: 1} }

// places finds the weight of a module: a matrix, one expert's, or a stack of experts.
func (f *fitting) places(c change) ([]place, error) {
	body := arch.Body(c.module)
	if t, ok := f.bodies[body+".weight"]; ok && len(t.Shape) == 2 {
		return []place{matrix(t)}, nil
	}
	if stem, ok := strings.CutSuffix(body, "mlp.experts"); ok && !c.mlx {
		return f.parameter(c, stem+"mlp.")
	}
	if stack, e, ok := arch.Single(body + ".weight"); ok {
		return f.expert(stack, e)
	}
	for _, word := range []string{".switch_mlp.", ".experts."} {
		if stem, projection, ok := strings.Cut(body, word); ok {
			if found := f.stack(stem+".", projection); found != nil {
				return found, nil
			}
		}
	}
	if t, ok := f.bodies[body+".weight"]; ok {
		return nil, fmt.Errorf("the model's %s, %v, is no matrix", t.Name, t.Shape)
	}
	return nil, f.missing(body + ".weight")
}

// expert finds one expert's projection.
func (f *fitting) expert(stack string, e int) ([]place, error) {
	stem, projection, _ := strings.Cut(stack, ".experts.")
	found := f.stack(stem+".", strings.TrimSuffix(projection, ".weight"))
	if found == nil {
		return nil, f.missing(stack)
	}
	if e >= found[0].experts {
		return nil, fmt.Errorf("it fits nothing: the model has %d experts", found[0].experts)
	}
	found[0].first += e * found[0].step
	found[0].experts, found[0].step, found[0].stack = 1, 0, false
	return found, nil
}

// stack finds a projection of all experts of the layer whose feed-forward is stem ("layers.3.mlp."), in
// the form that the source has; nil if it has none. gate_up_proj is two places where gate and up lie
// apart.
func (f *fitting) stack(stem, projection string) []place {
	whole := func(t source.Tensor) place {
		return place{tensor: t, rows: t.Shape[1], experts: t.Shape[0], step: t.Shape[1], stack: true}
	}
	for _, body := range []string{stem + "experts." + projection, stem + "experts." + projection + ".weight", stem + "switch_mlp." + projection + ".weight"} {
		if t, ok := f.bodies[body]; ok && len(t.Shape) == 3 {
			return []place{whole(t)}
		}
	}
	fused, ok := f.bodies[stem+"experts.gate_up_proj"]
	switch {
	case projection == "gate_up_proj" && !ok:
		gate, up := f.stack(stem, "gate_proj"), f.stack(stem, "up_proj")
		if gate == nil || up == nil {
			return nil
		}
		up[0].skip = gate[0].rows
		return append(gate, up...)
	case !ok || len(fused.Shape) != 3 || projection != "gate_proj" && projection != "up_proj":
		return nil
	}
	p := whole(fused)
	if p.rows = fused.Shape[1] / 2; projection == "up_proj" {
		p.first = p.rows
	}
	return []place{p}
}

// parameter finds which of a layer's stacks of experts PEFT's target_parameters means: names of arrays
// do not say it, shapes do.
func (f *fitting) parameter(c change, stem string) ([]place, error) {
	a, b := f.adapter.arrays[c.a], f.adapter.arrays[c.b]
	var found [][]place
	for _, projection := range []string{"gate_up_proj", "down_proj"} {
		places := f.stack(stem, projection)
		if places == nil {
			continue
		}
		rows, cols, ranks := rowsOf(places), quant.Columns(places[0].tensor.Shape), c.rank*places[0].experts
		if slices.Equal(a.Shape, []int{ranks, cols}) && slices.Equal(b.Shape, []int{rows, ranks}) {
			found = append(found, places)
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("it fits none of the experts' stacks in %s, with lora_A %v and lora_B %v at the rank %d", stem, a.Shape, b.Shape, c.rank)
	case 1:
		return found[0], nil
	}
	return nil, fmt.Errorf("its shapes fit both gate_up_proj and down_proj in %s, and the names of its arrays do not say which is meant", stem)
}

// rowsOf is the rows of a module's weight, of one expert.
func rowsOf(places []place) int {
	n := 0
	for _, p := range places {
		n += p.rows
	}
	return n
}

// layout is where the elements of a change's matrices lie.
type layout struct {
	a, b      source.Factor
	magnitude source.Part
}

// layout holds the arrays to the shapes that rank and model ask for, and says how each is laid out.
func (f *fitting) layout(c change, places []place) (l layout, err error) {
	t := places[0].tensor
	rows, cols, r, e, stacked := rowsOf(places), quant.Columns(t.Shape), c.rank, places[0].experts, places[0].stack
	a, b := factor([]int{r, cols}, 0, cols, 1), factor([]int{rows, r}, 0, 1, r)
	switch {
	case c.mlx && stacked:
		a, b = factor([]int{e, r, cols}, r*cols, cols, 1), factor([]int{e, rows, r}, rows*r, 1, r)
	case c.mlx && t.Role == arch.Embedding: // rows·columns, not columns·rows
		a, b = factor([]int{r, cols}, 0, cols, 1), factor([]int{rows, r}, 0, 1, r)
		c.a, c.b = c.b, c.a
	case c.mlx:
		a, b = factor([]int{cols, r}, 0, 1, r), factor([]int{r, rows}, 0, rows, 1)
	case stacked:
		a, b = factor([]int{r * e, cols}, r*cols, cols, 1), factor([]int{rows, r * e}, 1, e, r*e)
	case c.embedding:
		a, b = factor([]int{cols, r}, 0, 1, r), factor([]int{r, rows}, 0, rows, 1)
		c.a, c.b = c.b, c.a
	}
	if err := cmp.Or(f.fit(&a, c.a, c, t), f.fit(&b, c.b, c, t)); err != nil || c.magnitude == "" {
		return layout{a: a.Factor, b: b.Factor}, err
	}
	m := f.adapter.arrays[c.magnitude]
	if c.embedding {
		return l, fmt.Errorf("DoRA on an embedding is not supported: its magnitudes are those of columns of the whole table %s; merge the adapter with PEFT (merge_and_unload), and import what that saves", t.Name)
	}
	if stacked || !slices.Equal(m.Shape, []int{rows}) {
		return l, fmt.Errorf("its magnitude is %v, for the model's %s, %v: supported is one number for each row of a matrix", m.Shape, t.Name, t.Shape)
	}
	return layout{a.Factor, b.Factor, f.part(m)}, nil
}

// shaped is a factor and the shape that its array must have.
type shaped struct {
	source.Factor
	shape []int
}

func factor(shape []int, expert, rank, along int) shaped {
	return shaped{source.Factor{Expert: expert, Rank: rank, Along: along}, shape}
}

// fit holds an array to its shape.
func (f *fitting) fit(s *shaped, name string, c change, t source.Tensor) error {
	array := f.adapter.arrays[name]
	flat := []int{} // older versions of mlx-lm have experts and ranks in one
	if len(s.shape) == 3 {
		flat = []int{s.shape[0] * s.shape[1], s.shape[2]}
	}
	if !slices.Equal(array.Shape, s.shape) && !slices.Equal(array.Shape, flat) {
		return fmt.Errorf("%s is %v, where the rank %d of %s and the model's %s, %v, ask for %v", name, array.Shape, c.rank, configName, t.Name, t.Shape, s.shape)
	}
	s.Part = f.part(array)
	return nil
}
