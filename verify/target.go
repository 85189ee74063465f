package verify

import (
	"qimport/convert/source"
	"qimport/manifest"
	"qimport/runtime/chat"
	"qimport/verify/report"
)

// Target is a model to judge. Stored, Staged and Directory make one; Against and Provenance are
// for the caller to add.
type Target struct {
	Name     string
	Manifest manifest.Digest // zero for a plain directory
	// Blobs are the config and layers that the manifest names, and Path where each can be read.
	// A plain directory has none.
	Blobs []manifest.Layer
	Path  func(manifest.Digest) string
	// Config is the config among the blobs, which says how Ollama serves the model; zero for a plain directory.
	Config manifest.Layer
	// Open opens the model's tensors and files. Run closes what it returns.
	Open func() (*source.Source, error)
	// Against is the checkpoint the model was made from, nil where it is not at hand. It stays
	// the caller's to close.
	Against *source.Source
	// System is the system turn that a Modelfile laid over the model, which Ollama puts before a conversation
	// that has none, and Before the turns that it puts before each.
	System     string
	Before     []chat.Message
	Provenance report.Provenance
}

// Stored is the model that a name in the store points at. The error is manifest.ErrNotFound or
// manifest.ErrBadManifest; damage to its blobs is for the checks to find.
func Stored(store *manifest.Store, name manifest.Name) (Target, error) {
	e, err := store.Lookup(name)
	if err != nil {
		return Target{}, err
	}
	t := Staged(e.Name.String(), e.Manifest, store.Blob)
	t.Manifest = e.Digest
	return t, nil
}

// Staged is a model that no name points at yet: its manifest, and where its blobs lie.
func Staged(name string, m manifest.Manifest, path func(manifest.Digest) string) Target {
	return Target{
		Name: name, Manifest: m.Digest(), Blobs: m.Blobs(), Config: m.Config, Path: path,
		Open: func() (*source.Source, error) { return source.OpenStored(m, path) },
	}
}

// Directory is a checkpoint directory as it is.
func Directory(name, dir string) Target {
	return Target{Name: name, Open: func() (*source.Source, error) { return source.OpenDir(dir) }}
}
