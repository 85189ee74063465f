package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// MaxAttestations is the most bytes of signed statements that are kept of one manifest. Two statements
// on a model of ten thousand blobs take 4 MiB.
const MaxAttestations = 16 << 20

// UpdateAttestations replaces the signed statements on a manifest by what change makes of them, one
// process at a time. They lie beside the store, where Ollama does not look, and stay as long as some
// name points at that manifest. What change returns is put down as it is.
func (s *Store) UpdateAttestations(ctx context.Context, manifest Digest, change func(old []byte) ([]byte, error)) error {
	lock, err := s.lock(ctx, true)
	if err != nil {
		return err
	}
	defer lock.Close()
	old, err := s.Attestations(manifest)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	content, err := change(old)
	if err != nil {
		return err
	}
	if len(content) > MaxAttestations {
		return fmt.Errorf("the statements on %s would have %d bytes, more than the %d that are kept of a manifest", manifest.Short(), len(content), MaxAttestations)
	}
	if err := s.files.mkdir(s.attestationsDir()); err != nil {
		return err
	}
	return s.files.replace(s.AttestationsPath(manifest), s.stagingDir(), content)
}

// Attestations is what UpdateAttestations put down for that manifest; fs.ErrNotExist where there is
// nothing.
func (s *Store) Attestations(manifest Digest) ([]byte, error) {
	path := s.AttestationsPath(manifest)
	b, _, err := s.files.read(path, MaxAttestations)
	if err == nil && len(b) > MaxAttestations {
		err = fmt.Errorf("%s has more than the %d bytes that are read of such a file", path, MaxAttestations)
	}
	return b, err
}

// AttestationsPath is where the statements on a manifest lie: one DSSE envelope a line.
func (s *Store) AttestationsPath(manifest Digest) string {
	return filepath.Join(s.attestationsDir(), manifest.FileName()+".intoto.jsonl")
}

func (s *Store) attestationsDir() string { return filepath.Join(s.root, "qimport-attestations") }
