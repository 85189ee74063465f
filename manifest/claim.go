package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// A batch works at a name only while it has claimed it, with a lock of the kernel's beside the store, and
// leaves a record there of how that ended. Several batches, on several machines, share a store that way.

// Claim is a name that one process works at, until it is closed or the process ends.
type Claim struct{ lock *lock }

// Close lets others at the name.
func (c Claim) Close() error { return c.lock.Close() }

// Claim claims a name. While another process has it, the error is ErrLocked.
func (s *Store) Claim(ctx context.Context, n Name) (Claim, error) {
	l, err := s.files.acquire(ctx, s.claimPath(n)+".lock", true, lockWait)
	if errors.Is(err, ErrLocked) {
		return Claim{}, fmt.Errorf("%w: another qimport is importing %s into %s", ErrLocked, n, s.root)
	}
	return Claim{l}, explain(s.root, err)
}

// Claimed reports whether a process works at the name.
func (s *Store) Claimed(n Name) bool { return s.held(s.claimPath(n) + ".lock") }

// maxRecord is the largest record that is read.
const maxRecord = 1 << 20

// PutRecord keeps what a batch wants to know of a name later.
func (s *Store) PutRecord(n Name, record []byte) error {
	for _, dir := range []string{s.claimsDir(), s.stagingDir()} {
		if err := s.files.mkdir(dir); err != nil {
			return err
		}
	}
	return s.files.replace(s.claimPath(n)+".json", s.stagingDir(), record)
}

// Record is what PutRecord kept; nil where there is nothing.
func (s *Store) Record(n Name) ([]byte, error) {
	b, _, err := s.files.read(s.claimPath(n)+".json", maxRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, explain(s.root, err)
}

func (s *Store) claimsDir() string { return filepath.Join(s.root, "qimport-batch") }

// claimPath is that of a name's files, without their endings. Names that differ in case alone are one.
func (s *Store) claimPath(n Name) string {
	return filepath.Join(s.claimsDir(), DigestOf([]byte(strings.ToLower(n.String()))).FileName())
}

// Whole reports whether the store has every blob of m, whole: by evidence or, without, by reading it.
func (s *Store) Whole(ctx context.Context, m Manifest) bool { return s.whole(ctx, s.readProofs(), m) }

func (s *Store) whole(ctx context.Context, p *proofs, m Manifest) bool {
	for _, l := range m.Blobs() {
		if !s.files.trusts(ctx, p, s.Blob(l.Digest), l) {
			return false
		}
	}
	return true
}
