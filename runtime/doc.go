// Package runtime runs a model: it loads one from named tensors and files, keeps its caches,
// scores text and generates answers.
//
// It must not know where tensors come from (a checkpoint, a store) nor who reads the answer. The
// graphs are in runtime/model, their parts in runtime/layer, MLX in runtime/mlx.
package runtime

import (
	"qimport/arch"
	"qimport/quant"
)

// Weights is a model as Load reads it. A checkpoint on disk and a stored model both are one.
type Weights interface {
	// NormForm says whether the norms hold w or 1+w, and with it the axes of conv1d.
	NormForm() arch.NormForm
	// HeadForm is NormForm of the multi-token-prediction head, whose norms may be of another form than the
	// text model's; plain where there is none, or it cannot be told.
	HeadForm() arch.NormForm
	// Names lists the logical tensors: "….q_proj.weight", "….experts.gate_up_proj".
	Names() []string
	// Pieces lends a tensor as it lies: whole, or, of a stack whose experts lie one by one, each of
	// them, with the first dimension 1. Its bytes stay until the model is closed.
	Pieces(name string) ([]quant.Tensor, error)
	// Need says that lent bytes will soon be read, so that they may be fetched.
	Need(b []byte)
	// Guard runs a function that reads lent bytes. Where it returns an *untrusted.Fault, because a
	// file was cut short meanwhile, the error names the file.
	Guard(func() error) error
	// File reads one of the model's small files; one that is not there wraps fs.ErrNotExist.
	File(name string) ([]byte, error)
}
