// Package convert is the way from a checkpoint to blobs and back, a folder a stage:
//
//	safetensors, checkpoint, hub   what a source is read through
//	source                         a directory or a stored model as an inventory of logical tensors
//	plan                           what each of them becomes; printable, without IO
//	encode                         the engine that makes a planned tensor's bytes, wherever they go
//	write                          a plan carried out into a store's stage
//	export                         a model as a directory that mlx-lm loads
//
// No stage knows the terminal, MLX or a stage after it. What a number format means is quant's, what a
// model is arch's, what a store looks like manifest's, how a model computes runtime's.
package convert
