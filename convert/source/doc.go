// Package source owns what a checkpoint directory, or a stored model, holds: an inventory of logical
// tensors, read from headers and config alone, whoever made the files and however they are encoded.
// What is broken, incomplete or contradicts itself is refused here, with file and tensor.
//
// It must not know what becomes of a tensor.
package source
