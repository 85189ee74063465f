package encode

import (
	"testing"

	"qimport/convert/calibration"
	"qimport/convert/plan"
)

// TestPeakMemory: second moments, and what error feedback makes of them, count for as many tensors as are made at
// once, however many there are.
func TestPeakMemory(t *testing.T) {
	moments := calibration.Room(1<<10, 1)
	var rows []int64
	p := plan.Plan{Blobs: []plan.Blob{{}}}
	with := func(n int) int64 {
		p.Blobs[0].Tensors = make([]plan.Tensor, n)
		for i := range p.Blobs[0].Tensors {
			m := &p.Blobs[0].Tensors[i].Moments
			m.Full, m.Rows = moments, rows
		}
		return PeakMemory(p, 1)
	}
	const perTensor = 2 << 10
	none, one, two, three := with(0), with(1), with(2), with(3)
	if one-none != 12<<20+perTensor || two-one != 12<<20+perTensor || three-two != perTensor {
		t.Errorf("%d, then %d, %d and %d more", none, one-none, two-one, three-two)
	}
	rows = make([]int64, 16) // experts of their own, of which four are kept
	if apart := with(1); apart-none != 36<<20+perTensor {
		t.Errorf("of experts: %d more", apart-none)
	}
}
