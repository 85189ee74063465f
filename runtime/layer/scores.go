package layer

import (
	"slices"

	"qimport/quant"
)

// fusedHeads are the widths of heads of which both of MLX's GPU backends have an attention over many queries
// that keeps no scores. CUDA's is cuDNN's, which takes all widths up to 128 by eights; Metal's takes these. Heads
// of 256, as the hybrids have them, neither takes.
func fusedHeads() []int { return []int{64, 80, 128} }

// ScoreBytes is what attention takes while it is computed, for so many queries and keys of each sequence: a score
// of every head for each pair, which the softmax replaces on a CPU, and stands beside on a GPU. There, in bf16, a
// fused kernel that takes the heads keeps none for one sequence. Several have a mask, since their padding differs,
// and with one CUDA keeps them all: 8.9 MB where they are 4.2 (heads of 64, measured on an H100).
func ScoreBytes(c Compute, heads, headDim, sequences, queries, keys int) int64 {
	scores := int64(heads) * int64(sequences) * int64(queries) * int64(keys) * int64(c.Activation().Size())
	switch {
	case !c.GPU:
		return scores
	case c.Activation() == quant.BF16 && slices.Contains(fusedHeads(), headDim) && sequences == 1:
		return 0
	}
	return 2 * scores
}
