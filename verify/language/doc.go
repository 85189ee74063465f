// Package language owns how text goes into a model and comes out of it, as the model's own files say:
// tokenizer, chat template and stop tokens, whether these fit each other, and the text that a model is
// measured on where nobody gives one.
//
// It is handed files by name. It must not know where they lie, nor a model's tensors.
package language
