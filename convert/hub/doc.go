// Package hub turns what a user names as a source, a directory or "org/name[@revision]", into a
// directory: it looks in the Hugging Face cache and, where there is a network, fetches into it.
//
// It must not know what is in a checkpoint beyond the names of the files that one consists of.
package hub
