// Package verify proves an import by measuring it. It opens a model, staged, stored or a plain
// checkpoint directory, runs the checks of a level over it, and returns a Report: plain data with
// a verdict, each check's number and limit, and what it all was run on.
//
// Three levels, each including those before it:
//
//	blobs    every blob is there, with its size and digest, and holds the tensors the config needs
//	smoke    the model loads through MLX with a float32 delta state, and answers, and stops
//	quality  it says what its source says: KL divergence, perplexity, and each tensor's error
//
// A check that was asked for and could not run is reported as not run, and the verdict is no: a
// gate never passes without having measured.
//
// The checks are here; what they ask lies in rooms of its own: package language (tokenizer, template
// and stop tokens), score (what models expect of a text, and how far apart), cost (what a format costs
// a tensor, and may cost), report (the verdict as data, and the forms it is written in).
//
// It must not know flags, terminals or exit statuses.
package verify
