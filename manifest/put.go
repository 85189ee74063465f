package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

var (
	// ErrMissingBlob marks a blob that a manifest names and that is neither staged nor in the store.
	ErrMissingBlob = errors.New("missing blob")
	// ErrNameClash marks a name that differs from one in the store in case alone.
	ErrNameClash = errors.New("name clash")
)

// errRemoved marks a name that somebody removed while it was being moved.
var errRemoved = errors.New("removed by another program while it was being published")

// Publish brings the blobs of m into the store and then points the name at m, which it had better be
// verified by now. It ends the Stage and removes its folder; after an error the Stage stays open and
// Publish may be repeated. The digest is that of the manifest.
func (st *Stage) Publish(ctx context.Context, n Name, m Manifest) (Digest, error) {
	if err := m.Validate(); err != nil {
		return Digest{}, err
	}
	return st.publish(ctx, n, m, m.Encode())
}

// PublishBytes is Publish of a manifest that others wrote: it keeps its bytes, and so its digest.
func (st *Stage) PublishBytes(ctx context.Context, n Name, content []byte) (Digest, error) {
	m, err := Parse(content)
	if err != nil {
		return Digest{}, err
	}
	return st.publish(ctx, n, m, content)
}

func (st *Stage) publish(ctx context.Context, n Name, m Manifest, content []byte) (Digest, error) {
	if err := n.Validate(); err != nil {
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
	if _, err := st.placeAll(ctx, m.Blobs(), st.place); err != nil {
		return Digest{}, err
	}
	if err := st.store.syncBlobs(); err != nil {
		return Digest{}, err
	}
	if err := st.store.point(n, content); err != nil {
		return Digest{}, err
	}
	if err := st.settle(ctx, n, m, DigestOf(content)); err != nil {
		return Digest{}, err
	}
	_ = st.Discard() // the model is there; GC finds what could not be removed
	st.store.keepProofs(st.proofs, m.Blobs())
	return DigestOf(content), nil
}

// Place brings blobs of this Stage into the store, in place of damaged ones or of none, and moves no
// name. It ends the Stage as Publish does.
func (st *Stage) Place(ctx context.Context, blobs []Layer) error {
	if err := st.Flush(ctx); err != nil {
		return err
	}
	lock, err := st.store.lock(ctx, false)
	if err != nil {
		return err
	}
	defer lock.Close()
	if _, err := st.placeAll(ctx, blobs, st.place); err != nil {
		return err
	}
	if err := st.store.syncBlobs(); err != nil {
		return err
	}
	_ = st.Discard()
	st.store.keepProofs(st.proofs, blobs)
	return nil
}

// placeAll brings blobs into the store, and says how many of them were not there.
func (st *Stage) placeAll(ctx context.Context, blobs []Layer, place func(context.Context, Layer) (was bool, err error)) (placed int, err error) {
	if err := st.store.files.mkdir(st.store.blobsDir()); err != nil {
		return 0, err
	}
	for _, l := range blobs {
		if err := ctx.Err(); err != nil {
			return placed, err
		}
		was, err := place(ctx, l)
		if err != nil {
			return placed, err
		}
		if !was {
			placed++
		}
	}
	return placed, nil
}

// syncBlobs makes the names of new blobs last.
func (s *Store) syncBlobs() error {
	if err := s.files.syncDir(s.root); err != nil {
		return err
	}
	return s.files.syncDir(s.blobsDir())
}

// place gives one blob its second name, in the store, with the time of change that keeps Ollama from
// pruning it, or makes sure that the store has it; was says that it had. The name in staging stays:
// what others remove can be put back from there. Where there are no links, the blob moves.
func (st *Stage) place(ctx context.Context, l Layer) (was bool, err error) {
	f, staged, blob := st.store.files, st.stagedPath(l.Digest), st.store.Blob(l.Digest)
	if !st.staged(l.Digest) {
		if !f.trusts(ctx, st.proofs, blob, l) {
			return false, fmt.Errorf("%w: %s (%s), which the manifest needs with %d bytes, is gone from %s: import again",
				ErrMissingBlob, l.Digest, l.Name, l.Size, st.store.blobsDir())
		}
		st.touch(l.Digest, blob)
		return true, nil
	}
	if !f.trusts(ctx, st.proofs, staged, l) {
		return false, errors.Join(ctx.Err(), fmt.Errorf("%w: %s (%s) was changed while it waited in %s: run the same again", ErrDamaged, l.Digest, l.Name, staged))
	}
	st.touch(l.Digest, staged)
	if f.sameFiles(staged, blob) {
		return true, nil
	}
	linked := f.keeping(st.proofs, l.Digest, staged, blob, func() error { return st.linkInto(staged, blob) })
	if linked == nil {
		return false, nil
	}
	if err := f.keeping(st.proofs, l.Digest, staged, blob, func() error { return f.rename(staged, blob) }); err != nil {
		return false, err
	}
	st.mu.Lock()
	delete(st.inDir, l.Digest)
	st.mu.Unlock()
	return false, nil
}

// placeAgain puts back a blob that was placed, if it is gone. Another import may have put its own in
// the place of ours meanwhile, with the same bytes: to insist on ours would go on for ever.
func (st *Stage) placeAgain(ctx context.Context, l Layer) (was bool, err error) {
	f, blob := st.store.files, st.store.Blob(l.Digest)
	if f.sameFiles(st.stagedPath(l.Digest), blob) || f.trusts(ctx, st.proofs, blob, l) {
		return true, nil
	}
	return st.place(ctx, l)
}

// touch keeps Ollama from pruning a blob for an hour. That it may not be is no error: others' blobs
// are theirs to keep.
func (st *Stage) touch(d Digest, path string) {
	f := st.store.files
	_ = f.keeping(st.proofs, d, path, path, func() error { return f.touch(path) })
}

// linkInto makes blob a name of the staged file, whatever it was before.
func (st *Stage) linkInto(staged, blob string) error {
	f := st.store.files
	err := f.link(staged, blob)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	temp := filepath.Join(st.dir, freeName(tempPrefix, rand.Uint64()))
	if err := f.link(staged, temp); err != nil {
		return err
	}
	if err := f.rename(temp, blob); err != nil {
		return errors.Join(err, f.remove(temp))
	}
	return nil
}

// sameFiles reports whether two paths are names of one file.
func (f files) sameFiles(a, b string) bool {
	one, err := f.lstat(a)
	if err != nil {
		return false
	}
	other, err := f.lstat(b)
	return err == nil && os.SameFile(one, other)
}

// How long Publish watches over a name that it has moved. Ollama lists all manifests before it removes
// a blob that none of them names, so that what it decided without ours is done a moment later, which
// is the longer, the longer such a list takes; a clockTick at least.
const (
	settleLong   = time.Second
	settleFactor = 3
	settleRounds = 20
)

// settle puts back what others remove of the blobs of a name that has just moved, until a while has
// passed in which nothing was.
func (st *Stage) settle(ctx context.Context, n Name, m Manifest, d Digest) error {
	s := st.store
	for range settleRounds {
		start := time.Now()
		s.entries()
		select {
		case <-time.After(min(max(settleFactor*time.Since(start), s.tick), settleLong)):
		case <-ctx.Done(): // the name has moved: there is nothing to stop any more
		}
		e, err := s.read(n)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s was %w: what was written waits, run the same again", n, errRemoved)
		}
		if err == nil && e.Digest != d {
			return nil // another import has moved it on
		}
		placed, err := st.placeAll(context.WithoutCancel(ctx), m.Blobs(), st.placeAgain)
		if err != nil || placed == 0 {
			return err
		}
		if err := s.syncBlobs(); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: others keep removing the blobs of %s", ErrMissingBlob, n)
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

// pointTries is how often a name is moved again because its folder vanished: Ollama removes folders
// without manifests, ours among them while they have none yet.
const pointTries = 100

// point moves a name to a manifest, in one rename, and makes the move last.
func (s *Store) point(n Name, content []byte) error {
	path := s.manifestPath(n)
	if err := s.files.mkdir(s.stagingDir()); err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := s.files.mkdir(filepath.Dir(path))
		if err == nil {
			err = s.files.replace(path, s.stagingDir(), content)
		}
		if err == nil {
			break
		}
		if try == pointTries || !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for dir := filepath.Dir(filepath.Dir(path)); ; dir = filepath.Dir(dir) { // namespace, host, manifests, store
		if err := s.files.syncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) { // removed again by others
			return err
		}
		if dir == s.root {
			return nil
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
	content, _, err := s.files.read(s.manifestPath(source.Name), MaxManifestBytes) // byte for byte, also what Parse leaves out
	if err != nil {
		return explain(s.root, err)
	}
	return s.point(to, content)
}
