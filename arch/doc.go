// Package arch owns what each model family's config demands of a checkpoint: which tensors must be
// there, under which names and with which shapes, and what part each tensor plays.
//
// It is pure: names and sizes come in, names, shapes and findings go out. It must not know files,
// encodings or how a model computes.
package arch
