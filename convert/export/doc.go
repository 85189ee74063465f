// Package export writes a model, stored or a checkpoint, as a directory of mlx-community's form, over the
// same plans and the same engine as an import.
//
// It must not know the store.
package export
