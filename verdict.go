package qimport

import (
	"errors"
	"io/fs"

	"qimport/manifest"
	"qimport/verify/report"
)

// KeptVerdict is the verdict that the store keeps of a manifest; nil if there is none.
func KeptVerdict(store *manifest.Store, d manifest.Digest) (*report.Report, error) {
	b, err := store.Report(d)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r, err := report.Parse(b)
	return &r, err
}

// keepVerdict keeps a verdict beside the manifest that it judges.
func keepVerdict(store *manifest.Store, d manifest.Digest, r *report.Report) error {
	b, err := r.JSON()
	if err != nil {
		return err
	}
	return store.PutReport(d, b)
}

// unchanged says whether the name points at what was just written already, with a verdict that
// answers for it at that level, and fills the result in. What was written before is not read again,
// so that asking is cheap.
func unchanged(store *manifest.Store, result *ImportResult, level report.Level) (bool, error) {
	e, err := store.Lookup(result.Name)
	if errors.Is(err, manifest.ErrNotFound) {
		return false, nil
	}
	if err != nil || e.Digest != result.Manifest {
		return false, err
	}
	kept, err := KeptVerdict(store, e.Digest)
	if level != verifyNone && (err != nil || kept == nil || !kept.Passed || kept.Stale(e.Digest.String(), level) != "") {
		return false, nil // one that cannot be read is made anew
	}
	result.Unchanged, result.Published, result.Verification = true, true, kept
	return true, err
}

// saysMore says whether a verdict of before still holds and went further than the new one.
func saysMore(kept, r *report.Report) bool {
	return kept.Stale(r.Manifest, r.Level) == "" && !r.Level.Covers(kept.Level)
}
