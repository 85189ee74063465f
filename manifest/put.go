package manifest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

var (
	// ErrMissingBlob marks a blob that a manifest names and that is neither staged nor in the store.
	ErrMissingBlob = errors.New("missing blob")
	// ErrNameClash marks a name that differs from one in the store in case alone.
	ErrNameClash = errors.New("name clash")
)

// Publish moves the blobs of m into the store and then points the name at m: verify m before. It ends
// the Stage and removes its folder; after an error the Stage stays open and Publish may be repeated.
// The digest is that of the manifest.
func (st *Stage) Publish(ctx context.Context, n Name, m Manifest) (Digest, error) {
	if err := errors.Join(n.Validate(), m.Validate()); err != nil {
		return Digest{}, err
	}
	if err := st.Flush(ctx); err != nil {
		return Digest{}, err
	}
	lock, err := st.store.lock(ctx, false)
	if err != nil {
		return Digest{}, err
	}
	defer lock.Close()
	if err := st.store.checkClash(n); err != nil {
		return Digest{}, err
	}
	if err := st.placeAll(ctx, m); err != nil {
		return Digest{}, err
	}
	if err := st.store.point(n, m.Encode()); err != nil {
		return Digest{}, err
	}
	_ = st.Discard() // the model is there; GC finds what could not be removed
	return m.Digest(), nil
}

// placeAll brings every blob of m into the store.
func (st *Stage) placeAll(ctx context.Context, m Manifest) error {
	f := st.store.files
	if err := f.mkdir(st.store.blobsDir()); err != nil {
		return err
	}
	for _, l := range m.Blobs() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := st.place(l); err != nil {
			return err
		}
	}
	if err := f.syncDir(st.store.root); err != nil {
		return err
	}
	return f.syncDir(st.store.blobsDir())
}

// place renames one blob from staging into the store, with the time of change that keeps Ollama from
// pruning it, or makes sure that the store has it.
func (st *Stage) place(l Layer) error {
	f := st.store.files
	if !st.staged(l.Digest) {
		if !st.store.has(l.Digest, l.Size) {
			return fmt.Errorf("%w: %s (%s), which the manifest needs with %d bytes, is gone from %s: import again",
				ErrMissingBlob, l.Digest, l.Name, l.Size, st.store.blobsDir())
		}
		_ = f.touch(st.store.Blob(l.Digest)) // see hold
		return nil
	}
	if err := f.touch(st.stagedPath(l.Digest)); err != nil && !st.store.has(l.Digest, l.Size) {
		return err
	}
	if err := f.rename(st.stagedPath(l.Digest), st.store.Blob(l.Digest)); err != nil {
		return err
	}
	st.mu.Lock()
	delete(st.inDir, l.Digest)
	st.mu.Unlock()
	return nil
}

// checkClash refuses a name that the store has in another case. To Ollama they are one model, and on
// some file systems one file.
func (s *Store) checkClash(n Name) error {
	other, ok := s.otherCase(n)
	if !ok {
		return nil
	}
	return fmt.Errorf("%w: the store has %s, which Ollama takes for %s too: use that name, or remove it first",
		ErrNameClash, other, n)
}

// point moves a name to a manifest, in one rename, and makes the move last.
func (s *Store) point(n Name, content []byte) error {
	path := s.manifestPath(n)
	if err := s.files.mkdir(filepath.Dir(path)); err != nil {
		return err
	}
	if err := s.files.replace(path, s.stagingDir(), content); err != nil {
		return err
	}
	for dir := filepath.Dir(filepath.Dir(path)); ; dir = filepath.Dir(dir) { // namespace, host, manifests, store
		if err := s.files.syncDir(dir); err != nil || dir == s.root {
			return err
		}
	}
}

// Copy points the name to at what the name from points at.
func (s *Store) Copy(ctx context.Context, from, to Name) error {
	if err := to.Validate(); err != nil {
		return err
	}
	lock, err := s.lock(ctx, false)
	if err != nil {
		return err
	}
	defer lock.Close()
	source, err := s.Lookup(from)
	if err != nil {
		return err
	}
	if err := s.checkClash(to); err != nil {
		return err
	}
	content, err := os.ReadFile(s.manifestPath(source.Name)) // byte for byte, also what Parse leaves out
	if err != nil {
		return explain(s.root, err)
	}
	return s.point(to, content)
}
