// Package adapter owns adapters that were trained beside a model, as PEFT and mlx-lm save them: what is
// in such a directory, and which of a source's tensors each of its arrays changes. A directory is hostile
// until it was opened here.
//
// It must not know how the changes are computed, which source does, nor what becomes of the tensors.
package adapter
