package export

import (
	"fmt"
	"strings"

	"qimport/arch"
	"qimport/convert/plan"
	"qimport/convert/source"
)

// noteForm says why an import of the directory will not make the blobs that were exported: its form is
// another one than the model's. The axes of the vision tower's patches are none of it: an import moves them
// back.
func noteForm(inv source.Inventory, tensors []plan.Tensor) []string {
	var changes []string
	count := func(what string, is func(t plan.Tensor) bool) {
		n := 0
		for _, t := range tensors {
			if is(t) {
				n++
			}
		}
		if n > 0 {
			changes = append(changes, fmt.Sprintf(what, n))
		}
	}
	count("%d norms get the 1 that a release leaves to the reader, rounded to their dtype", func(t plan.Tensor) bool { return t.Transform == plan.AddOne })
	count("conv1d of %d layers has its axes moved", func(t plan.Tensor) bool { return t.From.Role == arch.Conv && inv.NormForm == arch.NormsRaw })
	count("%d halves of fused experts are tensors of their own", func(t plan.Tensor) bool { return isHalf(inv, t) })
	count("%d tensors have other names", func(t plan.Tensor) bool { return !isHalf(inv, t) && !sameName(t) })
	if len(changes) == 0 {
		return nil
	}
	return []string{"the form changes, so that an import of this directory makes other blobs than the model's: " + strings.Join(changes, "; ")}
}

// isHalf says whether a tensor is none of the source's, but half of one.
func isHalf(inv source.Inventory, t plan.Tensor) bool {
	_, whole := inv.Tensor(t.From.Name)
	return !whole
}

func sameName(t plan.Tensor) bool {
	return t.Name == t.From.Name || t.Name == t.From.Name+".weight"
}
