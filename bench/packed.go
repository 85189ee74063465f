package main

import (
	"maps"
	"slices"
	"strings"
)

// packed is the model as mlx-lm makes it of the release: its names and layouts, and every matrix
// in nvfp4, so that a model of 70 GB need not be written to make one of 20.
func (s shape) packed() checkpoint {
	var list []tensor
	for _, t := range s.tensors() {
		list = append(list, converted(t)...)
	}
	config := maps.Clone(s.config())
	config["quantization"] = map[string]any{"mode": "nvfp4", "bits": 4, "group_size": 16}
	return checkpoint{list, config}
}

// converted is what becomes of one tensor of a release.
func converted(t tensor) []tensor {
	t.name = "language_model." + strings.TrimPrefix(strings.Replace(t.name, "model.language_model.", "model.", 1), "language_model.")
	switch {
	case strings.HasSuffix(t.name, "norm.weight"):
		t.ramp = true // the release's are around 0, for the model to add 1
		return []tensor{t}
	case strings.HasSuffix(t.name, "conv1d.weight"):
		t.shape = []int{t.shape[0], t.shape[2], 1}
		return []tensor{t}
	case strings.HasSuffix(t.name, "experts.gate_up_proj"):
		t.shape = []int{t.shape[0], t.shape[1] / 2, t.shape[2]}
		return slices.Concat(stack(t, "gate_proj"), stack(t, "up_proj"))
	case strings.HasSuffix(t.name, "experts.down_proj"):
		return stack(t, "down_proj")
	case len(t.shape) == 1:
		return []tensor{t}
	}
	return nvfp4(strings.TrimSuffix(t.name, ".weight"), t.shape)
}

// stack is a projection of all experts of a layer.
func stack(t tensor, projection string) []tensor {
	mlp, _, _ := strings.Cut(t.name, "experts.")
	return nvfp4(mlp+"switch_mlp."+projection, t.shape)
}

// nvfp4 is a matrix as two tensors: eight codes a word, and a scale for sixteen.
func nvfp4(name string, shape []int) []tensor {
	width := len(shape) - 1
	codes, scales := slices.Clone(shape), slices.Clone(shape)
	codes[width] /= 8
	scales[width] /= 16
	return []tensor{{name: name + ".weight", shape: codes, dtype: "U32"}, {name: name + ".scales", shape: scales, dtype: "U8"}}
}
