package source

import (
	"sort"
	"strings"

	"qimport/arch"
	"qimport/arch/files"
	"qimport/quant"
)

// Inventory is all that is known of a source before a byte of its weights is read: its logical
// tensors, their encodings and where their bytes lie. It is plain data.
type Inventory struct {
	Origin   string        // the directory, or the manifest's digest
	Config   arch.Config   // of config.json
	Chat     files.Chat    // template and tokens of a conversation, as all files together say
	NormForm arch.NormForm // whether the norms hold w or 1+w, and the axes of conv1d
	HeadForm arch.NormForm // of the multi-token-prediction head's own norms; plain if there is none, or it cannot be told
	HeadFlaw string        // what the head lacks, if it is not whole
	// HeadNorms is what is wrong with the head's norms, if it is plain from their values.
	HeadNorms string
	Patches   Patches   // the axes of the vision tower's patch embedding
	Shards    []Shard   // the safetensors files, by name
	Tensors   []Tensor  // by name
	Files     []string  // the other files that belong to the model, by name
	Notes     []string  // what was left out or inferred, one sentence each
	Adapters  []Adapter // in the order in which they are fused
	Unasked   []string  // tensors that nothing in the model's graph takes, by name
}

// Shard is one safetensors file of a source: a checkpoint's shard or a store's blob.
type Shard struct {
	Name string // base name, for messages
	Path string
	Size int64
	// SHA256, in hex, is known of an adapter's file, which is small: "" of all others.
	SHA256 string
	// Shared says that several machines see the file, each of which has another number for its device.
	Shared bool
}

// Patches says which axis of vision's patch_embed.proj.weight the channels of an image are.
type Patches uint8

// The forms of the patch embedding.
const (
	NoPatches     Patches = iota
	ChannelsFirst         // release form [out, channels, time, height, width]
	ChannelsLast          // mlx-vlm form [out, time, height, width, channels]
)

// Tensor is one logical tensor: a name, the shape before packing, and its encoding.
type Tensor struct {
	Name       string // the store's main key, such as "….q_proj.weight" or "….experts.gate_up_proj"
	Body       string // Name in the one spelling of package arch, without prefix, such as "layers.3.self_attn.q_proj.weight"
	Role       arch.Role
	MTP        bool // of the multi-token-prediction head
	Shape      []int
	Format     quant.Format
	ScaleDtype quant.Dtype // Affine, FP8, Int, GPTQ and AWQ: of scales and biases
	Global     Global
	// Shared is how many groups in a row have one scale in the file, for which they are lent a copy each; 0 where
	// every group has its own.
	Shared int
	// Stacked says that the source has the experts of this stack one by one: Pieces[e] is expert e,
	// of shape Shape[1:]. Otherwise there is one piece, the whole tensor.
	Stacked bool
	Pieces  []Piece
	// Turned says that the one piece lies [experts, in, out] in the file.
	Turned  bool
	Updates []Update // what adapters add to the decoded numbers, in order
	// Replaced names the adapter that the whole tensor is from; "" if it is the checkpoint's.
	Replaced string
}

// Global says how the global scale of an NVFP4 tensor is to be read from the source.
type Global uint8

// The conventions of the global scale, where G is what every decoded value is multiplied by.
const (
	NoGlobal      Global = iota
	GlobalFactor         // the number is G: ModelOpt's weight_scale_2, the store's .global_scale
	GlobalInverse        // the number is 1/G: compressed-tensors' weight_global_scale
	GlobalAmax           // the number is 2688*G: MLX's global_scale
)

// Piece is the arrays that one encoded tensor, or one expert of a stack, consists of. Arrays that
// the encoding has not are zero.
type Piece struct {
	Weight, Scales, Biases, Global Part
	Zeros                          Part // of integers
	Order                          Part // of GPTQ and integers: g_idx, where it is not the order of the inputs
	Inputs                         Part // what the layer's input is multiplied by, a number a column
	Dims                           Part // the shape before packing, as the file says it
}

// Parts are the arrays that the piece's numbers follow from.
func (p Piece) Parts() []Part {
	p.Dims = Part{} // a sentence about the others
	var parts []Part
	for _, part := range p.arrays() {
		if part.Exists() {
			parts = append(parts, *part)
		}
	}
	return parts
}

// arrays are all that may lie in a file of the piece, there or not.
func (p *Piece) arrays() []*Part {
	return []*Part{&p.Weight, &p.Scales, &p.Biases, &p.Global, &p.Zeros, &p.Order, &p.Inputs, &p.Dims}
}

// Part is one array as it lies in a file.
type Part struct {
	Name   string // in the file's header
	Shard  int    // index into Inventory.Shards
	Dtype  quant.Dtype
	Shape  []int
	Offset int64 // of the first byte, from the start of the file
	Bytes  int64
}

// Exists says whether the encoding has this array.
func (p Part) Exists() bool { return p.Dtype != quant.NoDtype }

// Bytes is what the tensor takes in the source, scales included.
func (t Tensor) Bytes() int64 {
	var n int64
	for _, p := range t.Pieces {
		n += p.Bytes()
	}
	return n
}

// Bytes is what the piece takes in the source, scales included.
func (p Piece) Bytes() int64 {
	var n int64
	p.Dims = Part{}
	for _, part := range p.arrays() { // also of one that lies in no file, as half of a stack
		n += part.Bytes
	}
	return n
}

// ScalesInputs says whether the layer's input is to be multiplied by numbers of its own, which only a
// decoded weight can take up.
func (t Tensor) ScalesInputs() bool { return len(t.Pieces) > 0 && t.Pieces[0].Inputs.Exists() }

// OutOfOrder says whether the groups of the tensor's inputs lie apart, as activation order leaves them, so that
// no format of MLX holds them.
func (t Tensor) OutOfOrder() bool { return len(t.Pieces) > 0 && t.Pieces[0].Order.Exists() }

// Tensor finds a logical tensor by name.
func (inv Inventory) Tensor(name string) (Tensor, bool) {
	i, ok := findTensor(inv.Tensors, name)
	if !ok {
		return Tensor{}, false
	}
	return inv.Tensors[i], true
}

func findTensor(tensors []Tensor, name string) (int, bool) {
	return sort.Find(len(tensors), func(i int) int { return strings.Compare(name, tensors[i].Name) })
}
