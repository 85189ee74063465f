package cost

import (
	"fmt"

	"qimport/quant"
)

// Bounds are what a model may differ from its source by: the mean KL divergence in nats, the share of
// positions with the same likeliest token, and the relative increase of perplexity. Tensor is the
// largest relative squared error of a single tensor: some times what the format costs on bell-shaped
// weights, and far below what any damage to scales or packing does.
type Bounds struct {
	KL, Top1, Perplexity, Tensor float64
}

// Identical bounds a model whose every tensor has the source's numbers: what two runs of the same
// arithmetic over differently laid out tensors may differ by.
func Identical() Bounds { return Bounds{KL: 1e-5, Top1: 0.995, Perplexity: 1e-3, Tensor: 0} }

// BoundsOf are the defaults of one format. They are wide enough for models of any size, small ones
// suffering most; a release pipeline sets its own.
func BoundsOf(f quant.Format) (Bounds, error) {
	switch f.Mode {
	case quant.Plain:
		return plainBounds(f.Dtype)
	case quant.NVFP4:
		return Bounds{KL: 0.15, Top1: 0.85, Perplexity: 0.15, Tensor: 0.03}, nil
	case quant.MXFP4:
		return Bounds{KL: 0.20, Top1: 0.82, Perplexity: 0.20, Tensor: 0.06}, nil
	case quant.MXFP8, quant.FP8:
		// Scales rounded down, as MLX did before 0.32.2, saturate and cost eight times as much.
		return Bounds{KL: 0.03, Top1: 0.92, Perplexity: 0.03, Tensor: 0.01}, nil
	case quant.Affine:
		return affineBounds(f.Bits)
	}
	return Bounds{}, fmt.Errorf("no limits are known for format %s", f)
}

func plainBounds(d quant.Dtype) (Bounds, error) {
	switch d {
	case quant.F32:
		return Identical(), nil
	case quant.F16:
		return Bounds{KL: 0.002, Top1: 0.98, Perplexity: 0.005, Tensor: 1e-5}, nil
	case quant.BF16:
		return Bounds{KL: 0.005, Top1: 0.97, Perplexity: 0.01, Tensor: 1e-5}, nil
	}
	return Bounds{}, fmt.Errorf("no limits are known for weights of dtype %s", d)
}

func affineBounds(bits int) (Bounds, error) {
	switch bits {
	case 8:
		return Bounds{KL: 0.01, Top1: 0.95, Perplexity: 0.01, Tensor: 3e-4}, nil
	case 6:
		return Bounds{KL: 0.03, Top1: 0.92, Perplexity: 0.03, Tensor: 0.004}, nil
	case 5:
		return Bounds{KL: 0.06, Top1: 0.90, Perplexity: 0.06, Tensor: 0.016}, nil
	case 4:
		return Bounds{KL: 0.15, Top1: 0.85, Perplexity: 0.15, Tensor: 0.06}, nil
	case 3:
		return Bounds{KL: 0.5, Top1: 0.70, Perplexity: 0.6, Tensor: 0.25}, nil
	case 2:
		return Bounds{KL: 3.0, Top1: 0.35, Perplexity: 5, Tensor: 0.7}, nil
	}
	return Bounds{}, fmt.Errorf("no limits are known for affine with %d bits", bits)
}

// Wider is each bound at its widest.
func (b Bounds) Wider(o Bounds) Bounds {
	return Bounds{max(b.KL, o.KL), min(b.Top1, o.Top1), max(b.Perplexity, o.Perplexity), max(b.Tensor, o.Tensor)}
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
		return from.Mode != quant.Affine && from.Mode != quant.Int && !from.IsColumns() // the levels of fewer bits are among those of more
	}
	return true
}
