// Package model builds the Qwen3.x graphs: the stored tensors found under whatever prefix and in
// whatever form they have, and one file a family that says what its layers are made of.
//
// It must not know where tensors are stored, tokens, prompts or sampling.
package model

import (
	"fmt"
	"strings"

	"qimport/arch"
	"qimport/quant"
	"qimport/runtime/layer"
)

// Weights is what Open reads tensors through; see runtime.Weights.
type Weights interface {
	NormForm() arch.NormForm
	HeadForm() arch.NormForm
	Names() []string
	Pieces(name string) ([]quant.Tensor, error)
}

// Checkpoint is a config and the stored tensors that fit it.
type Checkpoint struct {
	Config  arch.Config
	weights Weights
	names   map[string]string        // as w has them, by body name
	prefix  string                   // of the text model, for messages
	stored  map[string]*layer.Stored // those that were looked at, by the name that w has for them
	form    arch.NormForm
}

// Open finds the text model of that config among the tensors of w.
func Open(c arch.Config, w Weights) (*Checkpoint, error) {
	ck := &Checkpoint{Config: c, weights: w, form: w.NormForm(), names: map[string]string{}, stored: map[string]*layer.Stored{}}
	for _, name := range w.Names() {
		body := arch.Body(name)
		if other, twice := ck.names[body]; twice {
			return nil, fmt.Errorf("%w: %s and %s are two spellings of the same tensor", ErrTensors, other, name)
		}
		ck.names[body] = name
	}
	embedding, ok := ck.names["embed_tokens.weight"]
	if !ok {
		return nil, fmt.Errorf("%w: there is none of %s", ErrTensors, strings.Join(arch.Spellings("embed_tokens.weight"), ", "))
	}
	ck.prefix, _ = arch.CutPrefix(embedding)
	if hybrid := c.Family.Hybrid(); hybrid == (ck.form == arch.NormsPlain) {
		return nil, fmt.Errorf("%w: the norms of a %s are said to be %s", ErrTensors, c.Family, ck.form)
	}
	return ck, nil
}

// Decoder describes the model as it is computed in that way, over tensors whose names and shapes
// are checked; no weight is read. All that is missing or does not fit is reported at once.
func (ck *Checkpoint) Decoder(compute layer.Compute) (*Decoder, error) {
	b := &builder{Checkpoint: ck, compute: compute, rotary: layer.NewRotary(ropeOf(ck.Config.RoPE))}
	d := b.decoder()
	for i := range ck.Config.Layers {
		switch ck.Config.Family {
		case arch.Qwen3, arch.Qwen3VL:
			d.Blocks = append(d.Blocks, b.qwen3Block(i))
		case arch.Qwen3MoE, arch.Qwen3VLMoE:
			d.Blocks = append(d.Blocks, b.qwen3MoEBlock(i))
		case arch.Qwen3Next:
			d.Blocks = append(d.Blocks, b.qwen3NextBlock(i))
		case arch.Qwen35:
			d.Blocks = append(d.Blocks, b.qwen35Block(i))
		case arch.Qwen35MoE:
			d.Blocks = append(d.Blocks, b.qwen35MoEBlock(i))
		default:
			return nil, fmt.Errorf("family %q: %w", ck.Config.Family, arch.ErrUnsupported)
		}
	}
	if err := b.err(); err != nil {
		return nil, err
	}
	var chained []*layer.Chained
	for i := range d.Blocks {
		block := &d.Blocks[i]
		if compute.GPU {
			block.replayed = block.Mixer.Replay(block.residual())
			continue
		}
		block.chained = layer.NewChained(block.MixerNorm, block.Mixer, block.FeedForwardNorm, block.FeedForward)
		chained = append(chained, block.chained)
	}
	d.through = layer.NewThrough(chained)
	return d, nil
}

// ropeOf is the config's rotary settings as the layers take them.
func ropeOf(r arch.RoPE) layer.RoPE {
	rope := layer.RoPE{Dims: r.Dims, Theta: r.Theta}
	if r.YaRN != (arch.YaRN{}) {
		yarn := layer.YaRN(r.YaRN)
		rope.YaRN = &yarn
	}
	return rope
}
