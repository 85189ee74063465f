// Package registry brings models of the store to an OCI registry and back: blobs and manifest as they
// are, or as ModelPack has them, and what is kept beside a manifest as its referrers.
//
// The registry, what stands between and whoever wrote there are strangers. A reference is checked at one
// border (reference.go), a manifest at another (remote.go); nothing of theirs is held in memory or on the
// disk beyond what these allow; a blob is hashed on its way into the staging folder, and one with another
// digest or size than the manifest says is dropped. Credentials, of the files that docker and oras use, go
// to the registry that they are for, and never in the clear but where the user said so.
//
// It must not know what is in a blob. When a name moves is for the caller to say.
package registry
