package verify

import (
	"fmt"
	"slices"
	"strings"

	"qimport/arch"
	"qimport/convert/source"
	"qimport/quant"
)

// checkTowerNorms refuses a norm of the tower that says nothing, all weights 1 and all biases 0, where another
// one has learnt something: it was lost, and what norms begin with stands in its place. Answers do not show it
// in every model. Where all norms are so, the tower was never trained, and answers show that.
func (r *run) checkTowerNorms() error {
	var blank []string
	learnt := false
	for _, t := range r.source.Inventory().Tensors {
		if t.Role != arch.Vision || !isTowerNorm(t.Name) {
			continue
		}
		says, err := saysSomething(r.source, t.Name)
		if err != nil {
			return err
		}
		if says {
			learnt = true
		} else {
			blank = append(blank, strings.TrimSuffix(t.Name, ".weight"))
		}
	}
	if !learnt || len(blank) == 0 {
		return nil
	}
	return fmt.Errorf("all weights of %s are 1 and all its biases 0, as before training, and other norms of the tower are not so: it was lost", blank[0])
}

// isTowerNorm says whether a tensor is the weight of one of the tower's norms.
func isTowerNorm(name string) bool {
	return strings.HasSuffix(name, "norm.weight") || strings.HasSuffix(name, "norm1.weight") || strings.HasSuffix(name, "norm2.weight")
}

// saysSomething says whether a norm, by the name of its weight, does more than normalise.
func saysSomething(src *source.Source, name string) (bool, error) {
	says, err := otherThan(src, name, 1)
	if err != nil || says {
		return says, err
	}
	return otherThan(src, strings.TrimSuffix(name, "weight")+"bias", 0)
}

// otherThan says whether a tensor, if there is one, has other values than this.
func otherThan(src *source.Source, name string, value float32) (bool, error) {
	if _, there := src.Inventory().Tensor(name); !there {
		return false, nil
	}
	t, err := src.Load(name)
	if err != nil {
		return false, err
	}
	values := make([]float32, quant.Elements(t.Shape))
	if err := src.Guard(func() error { return t.Decode(values, 0) }); err != nil {
		return false, err
	}
	return slices.ContainsFunc(values, func(v float32) bool { return v != value }), nil
}
