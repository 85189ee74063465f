package verify

import (
	"fmt"

	"qimport/quant"
)

// bounds are limits with nothing left open. tensor is the largest relative squared error of a
// single tensor: some times what the format costs on bell-shaped weights, and far below what any
// damage to scales or packing does.
type bounds struct {
	kl, top1, ppl, tensor float64
}

// identical bounds a model whose every tensor has the source's numbers: what two runs of the same
// arithmetic over differently laid out tensors may differ by.
var identical = bounds{kl: 1e-5, top1: 0.995, ppl: 1e-3, tensor: 0}

// boundsOf are the defaults of one format. They are wide enough for models of any size, small
// ones suffering most; a release pipeline sets its own.
func boundsOf(f quant.Format) (bounds, error) {
	switch f.Mode {
	case quant.Plain:
		return plainBounds(f.Dtype)
	case quant.NVFP4:
		return bounds{kl: 0.15, top1: 0.85, ppl: 0.15, tensor: 0.03}, nil
	case quant.MXFP4:
		return bounds{kl: 0.20, top1: 0.82, ppl: 0.20, tensor: 0.06}, nil
	case quant.MXFP8, quant.FP8:
		// Scales rounded down, as MLX did before 0.32.2, saturate and cost eight times as much.
		return bounds{kl: 0.03, top1: 0.92, ppl: 0.03, tensor: 0.01}, nil
	case quant.Affine:
		return affineBounds(f.Bits)
	}
	return bounds{}, fmt.Errorf("no limits are known for format %s", f)
}

func plainBounds(d quant.Dtype) (bounds, error) {
	switch d {
	case quant.F32:
		return identical, nil
	case quant.F16:
		return bounds{kl: 0.002, top1: 0.98, ppl: 0.005, tensor: 1e-5}, nil
	case quant.BF16:
		return bounds{kl: 0.005, top1: 0.97, ppl: 0.01, tensor: 1e-5}, nil
	}
	return bounds{}, fmt.Errorf("no limits are known for weights of dtype %s", d)
}

func affineBounds(bits int) (bounds, error) {
	switch bits {
	case 8:
		return bounds{kl: 0.01, top1: 0.95, ppl: 0.01, tensor: 3e-4}, nil
	case 6:
		return bounds{kl: 0.03, top1: 0.92, ppl: 0.03, tensor: 0.004}, nil
	case 5:
		return bounds{kl: 0.06, top1: 0.90, ppl: 0.06, tensor: 0.016}, nil
	case 4:
		return bounds{kl: 0.15, top1: 0.85, ppl: 0.15, tensor: 0.06}, nil
	case 3:
		return bounds{kl: 0.5, top1: 0.70, ppl: 0.6, tensor: 0.25}, nil
	case 2:
		return bounds{kl: 3.0, top1: 0.35, ppl: 5, tensor: 0.7}, nil
	}
	return bounds{}, fmt.Errorf("no limits are known for affine with %d bits", bits)
}

// wider is each bound at its widest.
func (b bounds) wider(o bounds) bounds {
	return bounds{max(b.kl, o.kl), min(b.top1, o.top1), max(b.ppl, o.ppl), max(b.tensor, o.tensor)}
}

// holds says whether every value that source can hold has a place in ours.
func holds(ours, source quant.Format) bool {
	switch {
	case ours == source:
		return true
	case ours == quant.FormatF32:
		return source.Mode == quant.Plain
	}
	return false
}

// loses says whether numbers change on their way into a quantized format: all but those that it holds,
// or, which the formats alone do not tell, may hold.
func loses(from, to quant.Format) bool {
	switch {
	case !to.IsQuantized() || holds(to, from):
		return false
	case to.Mode == quant.MXFP8:
		return from.Mode != quant.FP8 && from.Mode != quant.MXFP4
	case to.Mode == quant.Affine:
		return from.Mode != quant.Affine // the levels of fewer bits are among those of more
	}
	return true
}
