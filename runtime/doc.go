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
	// Names lists the logical tensors: "….q_proj.weight", "….experts.gate_up_proj".
	Names() []string
	// Load lends a tensor. It is called more than once, and from several goroutines. Its bytes
	// stay until Load of this package has returned.
	Load(name string) (quant.Tensor, error)
	// File reads one of the model's small files; one that is not there wraps fs.ErrNotExist.
	File(name string) ([]byte, error)
}
