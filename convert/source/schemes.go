package source

// Scheme is one way in which quantized weights are published, and what an import that asks for no type
// makes of it. docs/sources.md is written from the list.
type Scheme struct {
	Producer string
	Name     string // the producer's word
	Fate     Fate
	Becomes  string // the format, or why it is refused
}

// Fate is what becomes of a scheme's weights.
type Fate string

// The fates. What is kept has the very numbers of the source.
const (
	FateKept    Fate = "bit for bit"
	FateDecoded Fate = "decoded"
	FateLayers  Fate = "layer by layer"
	FateRefused Fate = "refused by name"
)

// Schemes lists what is known of quantized sources, by producer.
func Schemes() []Scheme {
	const (
		ct = "compressed-tensors"
		mo = "ModelOpt"
	)
	return []Scheme{
		{"MLX", "affine, nvfp4, mxfp4, mxfp8", FateKept, "the same"},
		{"FP8", "blocks of 128x128, or one scale", FateDecoded, "bf16; mxfp8, the same numbers, where all scales are powers of two"},
		{ct, "pack-quantized, symmetric", FateKept, "affine of 2 to 8 bits; 7 bits as 8; a scale a row is repeated for each group; codes run on from word to word or, before 0.18, lie whole in one"},
		{ct, "pack-quantized, with zero points", FateKept, "affine; scales and biases in float32, since a bias in bf16 would be rounded"},
		{ct, "pack-quantized, groups that 32 does not divide", FateDecoded, "bf16"},
		{ct, "pack-quantized, with activation order (weight_g_idx)", FateDecoded, "bf16; affine where the groups lie in order all the same"},
		{ct, "int-quantized (W8A8, W4A8)", FateKept, "affine"},
		{ct, "nvfp4-pack-quantized", FateKept, "nvfp4 with its global scale, beside experts where block scales take it up; else bf16"},
		{ct, "mxfp4-pack-quantized", FateKept, "mxfp4"},
		{ct, "mxfp8-quantized", FateKept, "mxfp8"},
		{ct, "float-quantized, naive-quantized: e4m3 by tensor, row, group or block", FateDecoded, "bf16; mxfp8, the same numbers, where all scales are powers of two"},
		{ct, "mixed-precision, several groups", FateLayers, "each layer by the group whose targets name it"},
		{ct, "transform_config, fused into the weights", FateKept, "as its format; the rotations are in the weights"},
		{ct, "transform_config, applied while running", FateRefused, "rotations of inputs, outputs, queries or the KV cache"},
		{ct, "marlin-24, sparse-24-bitmask", FateRefused, "weights of which the zeros are left out"},
		{mo, "NVFP4, W4A16_NVFP4, W4A8_NVFP4_FP8", FateKept, "nvfp4 with its global scale, beside experts where block scales take it up; else bf16; of groups of 32 (W4A8_NVFP4_FP8) the scale is written for both halves"},
		{mo, "MXFP4, W4A8_MXFP4_FP8", FateKept, "mxfp4"},
		{mo, "MXFP8", FateKept, "mxfp8"},
		{mo, "FP8, FP8_PER_CHANNEL_PER_TOKEN, FP8_PB_WO", FateDecoded, "bf16; mxfp8, the same numbers, where all scales are powers of two"},
		{mo, "W8A16", FateKept, "affine of 8 bits, scales in float32"},
		{mo, "W4A16_AWQ without pre_quant_scale", FateKept, "affine of 4 bits, scales in float32"},
		{mo, "pre_quant_scale (NVFP4_AWQ, W4A16_AWQ, W8A8_SQ_PER_CHANNEL)", FateDecoded, "bf16, the scales of the input multiplied in; layers without one as their algorithm"},
		{mo, "MIXED_PRECISION", FateLayers, "each layer by its own algorithm, in hf_quant_config.json alone too"},
		{mo, "NVFP4_SVD", FateRefused, "a low-rank part beside the weight"},
		{mo, "W4A8_AWQ", FateRefused, "weights rounded twice"},
		{"GPTQ, AutoRound", "2 to 8 bits, v1 and v2, without activation order", FateKept, "affine, scales in float32 where a zero point times a scale needs it"},
		{"GPTQ, AutoRound", "with activation order", FateDecoded, "the scales' dtype"},
		{"GPTQ", "a scale a column of the layer's output (group_size -1)", FateKept, "affine, the scale repeated for each group"},
		{"GPTQ", "3 and 5 to 7 bits in planes (gptq_p)", FateKept, "affine; 7 bits as 8; decoded with activation order"},
		{"AWQ", "gemv, gemv_fast, marlin", FateRefused, "codes in the order of one kernel"},
		{"AWQ, AutoRound", "gemm, 4 bits (AutoRound: 6 too)", FateKept, "affine; scales and biases in float32, since a zero point times a scale needs it"},
		{"others", "bitsandbytes, HQQ, quanto, torchao", FateRefused, "known by their arrays too, where no config names them"},
		{"others", "SVDQuant, AQLM, VPTQ, QuIP#, ExLlama, mxfp4 as gpt-oss has it", FateRefused, "known by their arrays"},
	}
}
