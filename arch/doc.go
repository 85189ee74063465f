// Package arch owns what a Qwen3.x model is: the families, the one reader of config.json with its
// defaults and limits, how tensors are named and which containers may stand around the names, which
// tensors a config demands and in which shapes, what part each of them plays, and which norms a
// conversion shifts. What no graph here can compute is refused by the reader, by name.
//
// It is pure: a config, names and sizes come in, names, shapes and findings go out. It must not know
// files of weights, encodings or MLX.
package arch
