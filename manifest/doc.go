// Package manifest owns the store on disk: blobs named by their SHA-256 digest, manifests that
// name blobs, and model names that point at manifests. The layout is Ollama's, and a running
// Ollama may use the same folder at the same time.
//
//	blobs/sha256-<64 hex>                              every blob, content-addressed
//	manifests/<host>/<namespace>/<model>/<tag>         one manifest a name
//	qimport-staging/<fingerprint>/                     blobs of an import that is not yet published
//	qimport-reports/sha256-<manifest digest>.json      what was found out about a stored model
//	qimport-attestations/sha256-<manifest digest>.intoto.jsonl   signed statements on a stored model
//	qimport-index                                      a cache of the importer (ReadIndex)
//	qimport-hashed                                     in which state each blob's file was when it was last known
//
// The last five are ours; Ollama looks at the first two only. The store and its top folders may be
// links; below them none is followed (within.go).
//
// One order holds for every change: blobs are written and hashed in the staging folder, flushed to
// the disk, linked into blobs/, and only then one rename moves the name to the new manifest; the links
// in staging are given up when the name has been seen whole. A process that dies anywhere leaves every
// name on a whole model, and the next import with the same fingerprint goes on with what is in its
// staging folder. A blob is believed to be whole for a reason (proof.go), not for its name and size.
//
// The package must not know what a tensor means, or what is inside a blob. It imports no other
// package of this module.
package manifest
