// Package ollama owns what is known of Ollama by version: the architectures, formats, parsers and renderers
// that its MLX runner has, and what it makes of a model.
//
// It is a table read out of Ollama's source, from 0.17.6 to Newest, and the questions put to it. It must not
// know tensors, files or a running server.
package ollama
