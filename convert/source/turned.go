package source

import (
	"fmt"
	"slices"
	"strings"

	"qimport/arch"
	"qimport/quant"
)

// The releases of Qwen3-VL with experts have the stacks of a layer input by input, [experts, in, out], where
// all others have [experts, out, in]. transformers takes both, and so does this file, by the shape. In FP8 the
// scales of a stack lie as it does: encoding has held them to the shape that it has in the file.

// turn says of a stack in which order its axes lie, and gives it the shape [experts, out, in].
func (c *classifier) turn(t *Tensor) error {
	shapes := c.expected[t.Body]
	if c.config.Family != arch.Qwen3VLMoE || !isFused(t.Body) || len(shapes) != 1 || len(t.Shape) != 3 {
		return nil
	}
	want := shapes[0]
	turned := []int{want[0], want[2], want[1]}
	switch {
	case !slices.Equal(t.Shape, turned):
		return nil
	case want[1] == want[2]:
		return fmt.Errorf("it has shape %v, of which it cannot be told whether it is [experts, in, out], as Qwen3-VL's releases have it, or [experts, out, in]; save the experts one by one", want)
	case t.Format.Mode == quant.FP8 && t.Format.BlockRows != t.Format.BlockCols:
		return unreadable("it is FP8 of shape %v, [experts, in, out], in %s: of blocks that are not square it cannot be told which side is which; take a checkpoint with bf16 weights", t.Shape, blocks(t.Format))
	case t.Format.Mode != quant.Plain && t.Format.Mode != quant.FP8:
		return unreadable("it is %s of shape %v, [experts, in, out]: quantized, only FP8 is read so; take a checkpoint with bf16 weights", t.Format, t.Shape)
	}
	t.Shape, t.Turned = want, true
	return nil
}

// isFused says whether a body name is that of a stack as releases have it, without a module of its own.
func isFused(body string) bool {
	return strings.HasSuffix(body, ".mlp.experts.gate_up_proj") || strings.HasSuffix(body, ".mlp.experts.down_proj")
}
