package plan

import (
	"strings"

	"qimport/arch"
	"qimport/convert/source"
	"qimport/quant"
)

// Transform is how a tensor's bytes become those of its blob.
type Transform uint8

// The transforms. Copy, Expand, Fold, Repack, ChannelsToFront and Turn keep every number.
const (
	Copy            Transform = iota // the bytes as they are, scales included
	Convert                          // floats to floats of another dtype
	Encode                           // floats to a quantized format
	Decode                           // a quantized format to floats
	Reencode                         // a quantized format to another one, or to itself without a global scale
	Expand                           // FP8 with powers of two as block scales to mxfp8: the same numbers
	Fold                             // nvfp4 with its global scale multiplied into the block scales, exactly
	ChannelsToFront                  // the vision patch embedding from channels last to channels first
	ChannelsToBack                   // and back, for an export
	AddOne                           // a release-form norm to the converted form, for an export
	Repack                           // integers to affine: the same codes and scales, and biases for zero points
	SubtractOne                      // a converted norm to the release form, exactly, beside an MTP head
	Turn                             // a stack of experts from [experts, in, out] to [experts, out, in]
)

var transformNames = [...]string{
	Copy: "copy", Convert: "convert", Encode: "encode", Decode: "decode", Reencode: "decode and encode again",
	Expand: "same numbers", Fold: "global scale folded in, same numbers", ChannelsToFront: "channels moved to the front",
	ChannelsToBack: "channels moved to the end", AddOne: "1 added", Repack: "same numbers", SubtractOne: "less 1",
	Turn: "last two axes swapped",
}

func (t Transform) String() string { return transformNames[t] }

// chooseTransform says how t becomes the target format. exact: its global scales allow Expand or Fold.
func chooseTransform(t source.Tensor, target quant.Format, patches source.Patches, exact bool) Transform {
	source := t.Format
	affine, _, same := affineOf(t)
	if t.Format.IsColumns() {
		affine, same = repacked(t)
	}
	switch {
	case t.Fused() && target.IsQuantized():
		return Encode
	case t.Fused():
		return Convert
	case t.ScalesInputs() && target.IsQuantized():
		return Reencode
	case t.ScalesInputs():
		return Decode
	case same && target == affine:
		return Repack
	case source == target && dropsGlobal(t) && exact:
		return Fold
	case source == target && dropsGlobal(t):
		return Reencode
	case source == target && movesChannels(t, patches):
		return ChannelsToFront
	case source == target && t.Turned:
		return Turn
	case source == target:
		return Copy
	case source.Mode == quant.FP8 && target.Mode == quant.MXFP8 && exact:
		return Expand
	case source.IsQuantized() && target.IsQuantized():
		return Reencode
	case source.IsQuantized():
		return Decode
	case target.IsQuantized():
		return Encode
	}
	return Convert
}

// repacked is the affine format that a tensor of GPTQ or AWQ has the numbers of, if it is one whose
// inputs lie in the order of their groups.
func repacked(t source.Tensor) (quant.Format, bool) {
	if t.OutOfOrder() || len(t.Shape) == 0 || t.Fused() {
		return quant.Format{}, false
	}
	return t.Format.Affine(quant.Columns(t.Shape))
}

// dropsGlobal says whether the global scale cannot stay beside the tensor: Ollama's loader ignores
// it on experts.
func dropsGlobal(t source.Tensor) bool { return t.Global != source.NoGlobal && t.Role == arch.Expert }

// movesChannels says whether the tensor is a patch embedding with channels last, which Ollama, that
// expects them first, would read without an error and scrambled.
func movesChannels(t source.Tensor, patches source.Patches) bool {
	return patches == source.ChannelsLast && len(t.Shape) == 5 && strings.HasSuffix(t.Name, "patch_embed.proj.weight")
}

// channelsFirst is the shape [out, time, height, width, channels] after ChannelsToFront.
func channelsFirst(s []int) []int { return []int{s[0], s[4], s[1], s[2], s[3]} }

// takesGlobal says whether a global scale may be made for a tensor where it is encoded as nvfp4:
// Ollama multiplies the output of a projection by it. It ignores that of experts, and joins the
// projections into a linear attention layer by pairs, whose global scales would differ.
func takesGlobal(t source.Tensor) bool {
	return t.Role == arch.Linear && !t.MTP && len(t.Pieces) == 1 && !strings.Contains(t.Name, "linear_attn.in_proj")
}

// MakesGlobal says whether a global scale is made, where none is copied.
func (t Tensor) MakesGlobal() bool { return t.Global && t.Transform != Copy }

// MayBeZero says whether a tensor of nothing but zeros can mean something: a norm around zero, a bias,
// what is no matrix of the text model.
func (t Tensor) MayBeZero() bool {
	switch t.From.Role {
	case arch.Linear, arch.Embedding, arch.Head, arch.Router, arch.Expert, arch.Conv:
		return false
	}
	return true
}
