// Package runtimetest holds models to what mlx-lm said of them: the references beside the trained
// checkpoints. It is for tests.
//
// It must not know where a model comes from: it is handed one that is loaded.
package runtimetest
