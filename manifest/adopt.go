package manifest

import (
	"context"
	"maps"
	"slices"
)

// Adopt finishes every key that another Stage of the store has finished, with its blobs, which both have
// until one of them ends; where there are no links, they move. What is on the disk is in the journal after
// the next Flush: only then may the other end, by Succeed.
func (st *Stage) Adopt(ctx context.Context, from *Stage) error {
	from.mu.Lock()
	layers := maps.Clone(from.layers)
	from.mu.Unlock()
	for key, l := range layers {
		if _, ok := st.Done(key); ok {
			continue
		}
		if !from.staged(l.Digest) {
			st.Reuse(ctx, key, l) // of the store; what is gone from there is written again
			continue
		}
		if !st.staged(l.Digest) { // else another key has the same bytes
			if err := st.adopt(from, l); err != nil {
				return err
			}
		}
		st.finish(key, l, true)
	}
	return ctx.Err()
}

// adopt gives a staged file a name here too, with the evidence for it.
func (st *Stage) adopt(from *Stage, l Layer) error {
	f, there, here := st.store.files, from.stagedPath(l.Digest), st.stagedPath(l.Digest)
	err := f.keeping(from.proofs, l.Digest, there, there, func() error { return f.link(there, here) })
	if err != nil {
		if err := f.rename(there, here); err != nil {
			return err
		}
	}
	if info, err := f.lstat(here); err == nil {
		if s, ok := from.proofs.get(l.Digest); ok && s.sameBytes(stateOf(info)) {
			st.proofs.set(l.Digest, stateOf(info))
		}
	}
	return nil
}

// Succeed ends another Stage, whose blobs were adopted and are flushed here. The names that it has for them go
// one by one, and the evidence follows: without it, all would be read again before they are placed.
func (st *Stage) Succeed(from *Stage) error {
	from.mu.Lock()
	both := slices.Collect(maps.Keys(from.inDir))
	from.mu.Unlock()
	f := st.store.files
	for _, d := range both {
		if here := st.stagedPath(d); st.staged(d) {
			_ = f.keeping(st.proofs, d, here, here, func() error { return f.remove(from.stagedPath(d)) }) // else Discard does it
		}
	}
	return from.Discard()
}

// Begun says whether an import of that fingerprint has begun, and not ended.
func (s *Store) Begun(fingerprint string) bool {
	if !fingerprintForm.MatchString(fingerprint) {
		return false
	}
	info, err := s.files.lstat(s.stagePath(fingerprint))
	return err == nil && info.IsDir()
}
