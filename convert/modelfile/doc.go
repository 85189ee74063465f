// Package modelfile owns the Modelfile, in Ollama's grammar: its commands with their lines, and what they
// say of a model.
//
// It must not know stores, or how a model is imported. It takes bytes, never a path.
package modelfile
