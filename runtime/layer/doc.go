// Package layer holds the parts that Qwen3.x models are built from, cut by mechanism: linear maps
// over weights in any format, embedding, norms, attention with its cache, mixture of experts and
// the Gated DeltaNet with its chunked and its one-token form.
//
// A part is made in two steps. Making it only describes its arrays (Param: shape, dtype, and how
// to fill the bytes), so that sizes are known and every shape is checked before a weight is read.
// Filling them is the caller's business, after which the part's methods build graphs in an
// mlx.Scope.
//
// It must not know tensor names, configs, files or tokens.
package layer
