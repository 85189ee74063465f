package layer

import (
	"fmt"
	"slices"

	"qimport/quant"
)

// Replace puts another tensor of the same shape in the place of a stored one, until restore is called. What is
// mapped must be opened anew after either.
func (t *Stored) Replace(by quant.Tensor) (restore func(), err error) {
	if !slices.Equal(by.Shape, t.Tensor.Shape) {
		return nil, fmt.Errorf("tensor %s has the shape %v, what is to replace it %v", t.Name, t.Tensor.Shape, by.Shape)
	}
	tensor, pieces := t.Tensor, t.Pieces
	other := NewStored(t.Name, by)
	t.Tensor, t.Pieces = other.Tensor, other.Pieces
	return func() { t.Tensor, t.Pieces = tensor, pieces }, nil
}

// Stored lists the tensors that have rows in the matrix, each once.
func (m *Mapped) Stored() []*Stored {
	var all []*Stored
	for _, rows := range m.matrix.Experts {
		for _, r := range rows {
			if !slices.Contains(all, r.Stored) {
				all = append(all, r.Stored)
			}
		}
	}
	return all
}
