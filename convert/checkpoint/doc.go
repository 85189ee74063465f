// Package checkpoint owns the directory on disk: which of its files are the shards of one model,
// whether they are all there and agree with the index, and which other files belong to it.
//
// It reads headers, never weights. It must not know what a tensor means or how it is encoded.
package checkpoint
