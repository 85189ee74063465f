// Package files owns the names of a model's files beside its weights, and what they say of a
// conversation: the chat template, and the tokens that end an answer. Several files may say it and
// they disagree, so which of them counts is decided here, once, for converting and for running.
//
// It asks for files by name. It must not know where they lie, what config.json says of tensors, how
// text becomes tokens, or how a template is run.
package files
