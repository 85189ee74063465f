package adapter

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"qimport/arch"
	"qimport/convert/safetensors"
	"qimport/convert/source"
	"qimport/quant"
)

// Apply takes adapters into a source, in the order in which they are to be fused. The error is ErrAdapter
// and names what fits nothing of the model, or not the way it is.
func Apply(src *source.Source, specs []Spec) error {
	for _, spec := range specs {
		a, err := Open(spec.Dir)
		if err != nil {
			return err
		}
		a.name = spec.Name
		f := newFitting(src.Inventory(), a, spec)
		if err := f.all(); err != nil {
			return errors.Join(fmt.Errorf("%w: %s: %s: %w", ErrAdapter, spec.Dir, a.file.Name(), err), a.file.Close())
		}
		info := source.Adapter{Name: a.Name(), Maker: a.Maker, Scale: spec.Scale, Config: a.Config}
		src.Adapt(info, a.file, a.SHA256, slices.Collect(maps.Values(f.changed)))
	}
	return nil
}

// fitting finds the tensors of a source that one adapter changes.
type fitting struct {
	adapter *Adapter
	spec    Spec
	form    arch.NormForm
	tied    bool
	shard   int // the indexes that the adapter will have in the inventory
	number  int
	bodies  map[string]source.Tensor // as they were, by body name
	changed map[string]source.Tensor // by name
}

func newFitting(inv source.Inventory, a *Adapter, spec Spec) *fitting {
	f := &fitting{
		adapter: a, spec: spec, form: inv.NormForm, tied: inv.Config.Output == arch.HeadTied,
		shard: len(inv.Shards), number: len(inv.Adapters),
		bodies: map[string]source.Tensor{}, changed: map[string]source.Tensor{},
	}
	for _, t := range inv.Tensors {
		f.bodies[t.Body] = t
	}
	return f
}

// all fits whole tensors first: what is added is added to them.
func (f *fitting) all() error {
	for _, r := range f.adapter.replaced {
		if err := f.replace(r); err != nil {
			return fmt.Errorf("tensor %s: %w", r.array, err)
		}
	}
	for _, c := range f.adapter.changes {
		if err := f.change(c); err != nil {
			return fmt.Errorf("module %s: %w", c.module, err)
		}
	}
	return nil
}

// missing says that the model has no tensor of that body name.
func (f *fitting) missing(body string) error {
	if f.tied && body == "lm_head.weight" {
		return errors.New("the model has no lm_head of its own: its config ties it to embed_tokens")
	}
	return fmt.Errorf("it fits nothing: the model has no tensor %s", body)
}

// replace puts a whole tensor in the place of the model's.
func (f *fitting) replace(r replacement) error {
	body, array := arch.Body(r.name), f.adapter.arrays[r.array]
	t, ok := f.bodies[body]
	switch {
	case !ok:
		return f.missing(body)
	case !slices.Equal(array.Shape, t.Shape):
		return fmt.Errorf("it is %v, the model's %s %v", array.Shape, t.Name, t.Shape)
	case f.spec.Scale != 1:
		return fmt.Errorf("it takes the place of the model's whole, so that the adapter cannot be scaled by %g", f.spec.Scale)
	case t.Fused() || t.Replaced != "":
		return fmt.Errorf("it takes the place of the model's %s, which an adapter before it has changed", t.Name)
	case arch.ZeroCentred(body) && f.form != arch.NormsPlain && f.form != f.adapter.Form:
		return fmt.Errorf("it is a norm in %s form, as %s has it, and the model's norms are %s: fuse it into a model of the other form", f.adapter.Form, f.adapter.Maker, f.form)
	}
	t.Format, t.ScaleDtype, t.Global, t.Stacked = quant.PlainFormat(array.Dtype), quant.NoDtype, source.NoGlobal, false
	t.Pieces, t.Replaced = []source.Piece{{Weight: f.part(array)}}, f.adapter.Name()
	f.changed[t.Name] = t
	return nil
}

// part is an array of the adapter as the source knows it.
func (f *fitting) part(t safetensors.Tensor) source.Part {
	return source.Part{Name: t.Name, Shard: f.shard, Dtype: t.Dtype, Shape: t.Shape, Offset: f.adapter.file.Header.DataStart + t.Begin, Bytes: t.End - t.Begin}
}

// change adds an update to the tensor, or the two tensors, that a module's weight is.
func (f *fitting) change(c change) error {
	places, err := f.places(c)
	if err != nil {
		return err
	}
	if c.tokens != "" {
		return f.replaceRows(c, places[0])
	}
	l, err := f.layout(c, places)
	if err != nil {
		return err
	}
	for _, p := range places {
		t, ok := f.changed[p.tensor.Name]
		if !ok {
			t = p.tensor
		}
		if t.Format.Mode == quant.Plain && !t.Format.Dtype.IsFloat() {
			return fmt.Errorf("the model's %s is %s, to which nothing can be added", t.Name, t.Format)
		}
		u := source.Update{
			Adapter: f.number, Rank: c.rank, Scale: float32(c.scale * f.spec.Scale), A: l.a, B: l.b, Magnitude: l.magnitude,
			First: p.first, Rows: p.rows, Experts: p.experts, Step: p.step,
		}
		u.B.First += p.skip * u.B.Along
		t.Updates = append(slices.Clone(t.Updates), u)
		f.changed[t.Name] = t
	}
	return nil
}
