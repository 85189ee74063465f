// Package hub turns what a user names as a source, a directory or "org/name[@revision]", into a
// directory: it looks in the Hugging Face cache and, where there is a network, fetches into it.
//
// Hub, mirror, network and cache are strangers: what they say is checked at one border (border.go)
// before it is used, a file gets its name once its size and digest are those of the hub's listing,
// and nothing is read or written through a link that leads out of the repository's folder.
//
// It must not know what is in a checkpoint beyond the names of the files that one consists of, and which
// of them an index names for the multi-token-prediction head.
package hub
