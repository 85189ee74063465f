package adapter

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"qimport/convert/source"
	"qimport/quant"
)

// maxTokens is how many rows of an embedding may be trained by themselves: who trains more saves all of it.
const maxTokens = 1 << 16

// trainedTokens are the ids of PEFT's trainable_token_indices, by the last word of a module's path.
type trainedTokens map[string][]int

// UnmarshalJSON takes a list too, which is of the embedding.
func (t *trainedTokens) UnmarshalJSON(b []byte) error {
	var list []int
	if err := json.Unmarshal(b, &list); err == nil {
		*t = nil
		if len(list) > 0 {
			*t = trainedTokens{"embed_tokens": list}
		}
		return nil
	}
	if err := json.Unmarshal(b, (*map[string][]int)(t)); err != nil {
		return errors.New("trainable_token_indices is neither a list of ids nor lists by module")
	}
	return nil
}

// endsIn says whether a module's path ends in a name.
func endsIn(module, name string) bool { return module == name || strings.HasSuffix(module, "."+name) }

// of are the ids of a module; nil for none.
func (t trainedTokens) of(module string) []int {
	for name, ids := range t {
		if endsIn(module, name) {
			return ids
		}
	}
	return nil
}

// allIn refuses tokens that are said to be trained, and of which no rows are there. Those of a head that is
// the embedding are the embedding's.
func (t trainedTokens) allIn(changes []change) error {
	for _, name := range slices.Sorted(maps.Keys(t)) {
		there := slices.ContainsFunc(changes, func(c change) bool { return c.tokens != "" && endsIn(c.module, name) })
		if _, both := t["embed_tokens"]; !there && !(both && name == "lm_head") {
			return fmt.Errorf("there are no rows of tokens for %q, which trainable_token_indices of %s names", name, configName)
		}
	}
	return nil
}

// check refuses ids that are none.
func (t trainedTokens) check() error {
	for name, ids := range t {
		sorted := slices.Sorted(slices.Values(ids))
		switch {
		case len(ids) == 0 || len(ids) > maxTokens:
			return fmt.Errorf("trainable_token_indices has %d ids for %.80q; 1 to %d are supported", len(ids), name, maxTokens)
		case sorted[0] < 0:
			return fmt.Errorf("trainable_token_indices has the id %d for %.80q", sorted[0], name)
		case len(slices.Compact(sorted)) < len(ids):
			return fmt.Errorf("trainable_token_indices has an id twice for %.80q", name)
		}
	}
	return nil
}

// replaceRows puts trained rows in the place of a matrix's: a run of ids one after the other is one update.
func (f *fitting) replaceRows(c change, p place) error {
	rows, cols, array := p.tensor.Shape[0], quant.Columns(p.tensor.Shape), f.adapter.arrays[c.tokens]
	switch last := slices.Max(c.ids); {
	case p.stack || len(p.tensor.Shape) != 2:
		return fmt.Errorf("the model's %s, %v, is no embedding", p.tensor.Name, p.tensor.Shape)
	case last >= rows:
		return fmt.Errorf("token %d is trained, and the model's %s has %d rows", last, p.tensor.Name, rows)
	case !slices.Equal(array.Shape, []int{len(c.ids), cols}):
		return fmt.Errorf("%s is %v, where %d trained tokens and the model's %s, %v, ask for %v", c.tokens, array.Shape, len(c.ids), p.tensor.Name, p.tensor.Shape, []int{len(c.ids), cols})
	case f.spec.Scale != 1:
		return fmt.Errorf("its rows take the place of the model's, so that the adapter cannot be scaled by %g", f.spec.Scale)
	}
	t, ok := f.changed[p.tensor.Name]
	if !ok {
		t = p.tensor
	}
	t.Updates = slices.Clone(t.Updates)
	for i := 0; i < len(c.ids); {
		n := 1
		for i+n < len(c.ids) && c.ids[i+n] == c.ids[i]+n {
			n++
		}
		t.Updates = append(t.Updates, source.Update{
			Adapter: f.number, A: source.Factor{Part: f.part(array), First: i * cols, Rank: cols, Along: 1},
			First: c.ids[i], Rows: n, Experts: 1, Whole: true,
		})
		i += n
	}
	f.changed[t.Name] = t
	return nil
}
