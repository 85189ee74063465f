// Package manifest owns the store on disk: blobs named by their SHA-256 digest, manifests that
// name blobs, and model names that point at manifests. The layout is Ollama's, and a running
// Ollama may use the same folder at the same time.
//
//	blobs/sha256-<64 hex>                              every blob, content-addressed
//	manifests/<host>/<namespace>/<model>/<tag>         one manifest a name
//	qimport-staging/<fingerprint>/                     blobs of an import that is not yet published
//	qimport-reports/sha256-<manifest digest>.json      what was found out about a stored model
//	qimport-index                                      a cache of the importer (IndexPath)
//
// The last three are ours; Ollama looks at the first two only.
//
// One order holds for every change: blobs are written and hashed in the staging folder, flushed to
// the disk, renamed into blobs/, and only then one rename moves the name to the new manifest. A
// process that dies anywhere leaves every name on a whole model, and the next import with the same
// fingerprint goes on with what is in its staging folder.
//
// The package must not know what a tensor means, or what is inside a blob. It imports no other
// package of this module.
package manifest
