package model

import (
	"errors"
	"fmt"
	"slices"

	"qimport/arch"
	"qimport/quant"
	"qimport/runtime/layer"
)

// ErrTensors marks a set of tensors that is not the model its config describes.
var ErrTensors = errors.New("tensors do not fit the config")

// maxFindings is how many findings an error shows; a wrong config can make thousands.
const maxFindings = 8

// look reads what a tensor is, once.
func (ck *Checkpoint) look(name string) (*layer.Stored, error) {
	if s, ok := ck.stored[name]; ok {
		return s, nil
	}
	pieces, err := ck.weights.Pieces(name)
	if err == nil && len(pieces) == 0 {
		err = errors.New("it has no pieces")
	}
	if err != nil {
		return nil, fmt.Errorf("tensor %s: %w", name, err)
	}
	s := layer.NewStored(name, pieces...)
	ck.stored[name] = s
	return s, nil
}

// builder makes the parts of one Decoder. What is missing or has a wrong shape is noted, and stood
// in for by a tensor of the right shape, so that all findings come out together.
type builder struct {
	*Checkpoint
	compute  layer.Compute
	rotary   *layer.Rotary
	findings []error
}

func (b *builder) fail(format string, args ...any) {
	b.findings = append(b.findings, fmt.Errorf(format, args...))
}

// err is all findings, or nil.
func (b *builder) err() error {
	if len(b.findings) == 0 {
		return nil
	}
	shown := b.findings
	if more := len(shown) - maxFindings; more > 0 {
		shown = append(slices.Clone(shown[:maxFindings]), fmt.Errorf("and %d more", more))
	}
	return fmt.Errorf("%w: %w", ErrTensors, errors.Join(shown...))
}

// has says whether there is a tensor of that body name.
func (b *builder) has(body string) bool { return b.names[body] != "" }

// load is the tensor of that body name with the shape that it must have.
func (b *builder) load(body string, shape ...int) *layer.Stored {
	standIn := layer.NewStored(b.prefix+body, quant.Tensor{Shape: shape, Format: quant.FormatF32})
	name, ok := b.names[body]
	if !ok {
		b.fail("tensor %s, %v, is missing", b.prefix+body, shape)
		return standIn
	}
	got, err := b.look(name)
	switch {
	case err != nil:
		b.findings = append(b.findings, err)
		return standIn
	case !slices.Equal(got.Tensor.Shape, shape):
		b.fail("tensor %s has the shape %v; the config asks for %v", name, got.Tensor.Shape, shape)
		return standIn
	}
	return got
}

// matrix is the weight [out, in] of a linear map of the body.
func (b *builder) matrix(path string, out, in int) layer.Matrix {
	return layer.NewMatrix(b.load(path+".weight", out, in))
}

// bias is the bias [out] of a projection of an attention layer, or nil if it has none.
func (b *builder) bias(path string, out int) *layer.Matrix {
	if !b.Config.AttentionBias && !b.has(path+".bias") {
		return nil
	}
	m := layer.NewColumn(b.load(path+".bias", out))
	return &m
}

// norm is an RMSNorm, whose stored weight may lack its 1.
func (b *builder) norm(path string, n int) *layer.Norm {
	t, shifted := b.normWeight(path, n)
	return layer.NewNorm(b.compute, t, b.Config.NormEps, shifted)
}

// headNorm is the same for the heads of a projection.
func (b *builder) headNorm(path string, n int) *layer.Norm {
	t, shifted := b.normWeight(path, n)
	return layer.NewHeadNorm(b.compute, t, b.Config.NormEps, shifted)
}

func (b *builder) normWeight(path string, n int) (t *layer.Stored, shifted bool) {
	body := path + ".weight"
	return b.load(body, n), b.form == arch.NormsRaw && arch.ZeroCentred(body)
}

// at is a name within a layer.
func at(layer int, name string, args ...any) string {
	return fmt.Sprintf("layers.%d.", layer) + fmt.Sprintf(name, args...)
}
