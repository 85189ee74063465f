package qimport

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"qimport/manifest"
	"qimport/verify/report"
)

// KeptVerdict is the verdict that the store keeps of a manifest; nil if there is none.
func KeptVerdict(store *manifest.Store, d manifest.Digest) (*report.Report, error) {
	r, _, err := keptVerdict(store, d)
	return r, err
}

// keptVerdict is KeptVerdict with the bytes as they are kept.
func keptVerdict(store *manifest.Store, d manifest.Digest) (*report.Report, []byte, error) {
	b, err := store.Report(d)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	r, err := report.Parse(b)
	if err != nil {
		return nil, nil, err
	}
	return &r, b, nil
}

// readVerdict is KeptVerdict for who can do without: one that cannot be read is none, and a note says
// so.
func readVerdict(store *manifest.Store, d manifest.Digest) (kept *report.Report, note string) {
	kept, err := KeptVerdict(store, d)
	if err != nil {
		return nil, fmt.Sprintf("the verdict kept on %s cannot be read, and is ignored: %v; qimport verify makes it anew", d.Short(), err)
	}
	return kept, ""
}

// digestOfReport is the digest of a kept report as it was signed for: before it came from elsewhere.
func digestOfReport(kept []byte) manifest.Digest {
	r, err := report.Parse(kept)
	if err == nil && r.Origin != "" {
		r.Origin = ""
		if b, err := r.JSON(); err == nil {
			kept = b
		}
	}
	return manifest.DigestOf(kept)
}

// keepVerdict keeps a verdict beside the manifest that it judges.
func keepVerdict(store *manifest.Store, d manifest.Digest, r *report.Report) error {
	b, err := r.JSON()
	if err != nil {
		return err
	}
	return store.PutReport(d, b)
}

// unchanged says whether the name points at what was just written already, all of it in the store and
// whole, with a verdict that answers for it at that level, and fills the result in. What was written
// before is not read again where there is evidence for it, so that asking is cheap.
func unchanged(ctx context.Context, store *manifest.Store, s staged, result *ImportResult, o ImportOptions) bool {
	e, err := store.Lookup(result.Name) // what cannot be read is replaced
	if err != nil || e.Digest != result.Manifest || !s.Published(ctx, s.manifest) {
		return false
	}
	kept, note := readVerdict(store, e.Digest)
	if note != "" {
		notef(o.Watch, "note: %s", note)
	}
	if !answersFor(kept, e.Digest, o.Checks.Level) {
		return false
	}
	result.Unchanged, result.Published, result.Verification = true, true, kept
	return true
}

// answersFor says whether a verdict says yes to a manifest at that level, if one is asked for.
func answersFor(kept *report.Report, d manifest.Digest, level report.Level) bool {
	return level == verifyNone || kept != nil && kept.Passed && kept.Stale(d.String(), level) == ""
}

// saysMore says whether a verdict of before still holds and went further than the new one.
func saysMore(kept, r *report.Report) bool {
	return kept.Stale(r.Manifest, r.Level) == "" && !r.Level.Covers(kept.Level)
}
