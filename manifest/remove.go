package manifest

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
)

// Removed says what Remove did.
type Removed struct {
	Name  Name   // as the store spelled it
	Blobs int    // blobs that no other name needs, removed
	Bytes int64  // their size
	Note  string // why blobs were left to GC, or ""
}

// Remove takes a name out of the store, and the blobs that no other name needs, as Ollama does: also
// young ones. While any manifest cannot be read, the blobs stay.
func (s *Store) Remove(ctx context.Context, n Name) (Removed, error) {
	lock, err := s.lock(ctx, true)
	if err != nil {
		return Removed{}, err
	}
	defer lock.Close()
	e, err := s.Lookup(n)
	if errors.Is(err, ErrNotFound) {
		return Removed{}, err
	}
	if err != nil { // damaged, or no file at all: it goes all the same, as GC asks for it
		if other, ok := s.otherCase(n); ok {
			if _, err := s.files.lstat(s.manifestPath(n)); errors.Is(err, fs.ErrNotExist) {
				n = other
			}
		}
		return Removed{Name: n, Note: "its blobs stay, since its manifest could not be read"}, s.unpoint(n)
	}
	if err := s.unpoint(e.Name); err != nil {
		return Removed{}, err
	}
	r := Removed{Name: e.Name}
	others, err := s.List()
	if err != nil {
		r.Note = "its blobs stay, since another manifest that cannot be read may need them: " + err.Error()
		return r, nil
	}
	err = s.removeUnneeded(&r, e, others)
	return r, err
}

// removeUnneeded removes the blobs, the report and the statements of a removed entry that no other entry
// needs. Report and statements go by the manifest's digest: they stay while a copy of the name points at
// the same.
func (s *Store) removeUnneeded(r *Removed, removed Entry, others []Entry) error {
	needed := namedBlobs(others)
	for _, l := range removed.Manifest.Blobs() {
		if needed[l.Digest] || !s.has(l.Digest, l.Size) {
			continue
		}
		if err := s.files.remove(s.Blob(l.Digest)); err != nil {
			return err
		}
		r.Blobs++
		r.Bytes += l.Size
	}
	for _, e := range others {
		if e.Digest == removed.Digest {
			return nil
		}
	}
	return errors.Join(s.files.remove(s.reportPath(removed.Digest)), s.files.remove(s.AttestationsPath(removed.Digest)))
}

// unpoint removes a name, and the folders that are empty without it.
func (s *Store) unpoint(n Name) error {
	path := s.manifestPath(n)
	if err := s.files.remove(path); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := s.files.syncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) { // removed by Ollama
		return err
	}
	for range 3 { // model, namespace, host
		if left, err := s.files.list(dir); err != nil || len(left) > 0 {
			break
		}
		if err := s.files.remove(dir); err != nil && !isNotEmpty(err) { // another has just come
			return err
		}
		dir = filepath.Dir(dir)
	}
	return nil
}

// namedBlobs is every blob that the entries name.
func namedBlobs(entries []Entry) map[Digest]bool {
	named := map[Digest]bool{}
	for _, e := range entries {
		for _, l := range e.Manifest.Blobs() {
			named[l.Digest] = true
		}
	}
	return named
}
