package verify

import (
	"fmt"

	"qimport/manifest"
)

// Keep puts a verdict beside the manifest that it judged, where Ollama does not look. A verdict on
// a plain directory has no place there.
func Keep(store *manifest.Store, r Report) error {
	digest, err := manifest.ParseDigest(r.Manifest)
	if err != nil {
		return fmt.Errorf("verdict on %s: it is on no manifest: %w", r.Name, err)
	}
	b, err := r.JSON()
	if err != nil {
		return err
	}
	return store.PutReport(digest, b)
}

// Kept is the last verdict that was kept of a manifest; fs.ErrNotExist where there is none.
func Kept(store *manifest.Store, digest manifest.Digest) (Report, error) {
	b, err := store.Report(digest)
	if err != nil {
		return Report{}, err
	}
	return ParseReport(b)
}
