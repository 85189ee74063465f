// Package tune owns the choice of a mixture: which tensors must share a format, which formats each group of them
// may take and how many bytes that is, the mixtures of least cost for every size, and a recipe that says one of
// them in words.
//
// What a format costs is measured by others. It must not know how, nor MLX, nor where a recipe is written.
package tune
