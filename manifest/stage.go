package manifest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"
)

const (
	journalName = "journal"
	tempPrefix  = "tmp-"
)

// fingerprints are folder names.
var fingerprintForm = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z_-]{0,127}$`)

// Stage is the staging folder of one import, locked while the Stage is open. Blobs gather in it,
// under keys that the importer chooses, until Publish moves them and the name. Its methods may be
// called at the same time, except those that end it: Publish, Keep and Discard.
type Stage struct {
	store *Store
	dir   string
	lock  *flock.Flock // nil when the Stage has ended

	flushing sync.Mutex // one Flush at a time
	mu       sync.Mutex // guards what follows
	layers   map[string]Layer
	inDir    map[Digest]bool // blobs that lie in dir
	pending  []journalLine   // finished, not yet flushed
	broken   error           // of a flush, after which the kernel's word on those files means nothing
}

// Stage opens the staging folder of a fingerprint, with what an earlier run finished in it. Imports in
// which a key stands for different blobs must have different fingerprints. One has 1 to 128 letters,
// digits, - and _. While another process has the folder open, the error is ErrLocked.
func (s *Store) Stage(fingerprint string) (*Stage, error) {
	if !fingerprintForm.MatchString(fingerprint) {
		return nil, fmt.Errorf("fingerprint %q cannot name a folder", fingerprint)
	}
	dir := filepath.Join(s.stagingDir(), fingerprint)
	lock, err := s.files.acquire(context.Background(), filepath.Join(dir, lockName), true, lockWait)
	if errors.Is(err, ErrLocked) {
		return nil, fmt.Errorf("%w: another qimport is importing the very same into %s; wait for it, or stop it", ErrLocked, s.root)
	}
	if err != nil {
		return nil, err
	}
	st := &Stage{store: s, dir: dir, lock: lock, layers: map[string]Layer{}, inDir: map[Digest]bool{}}
	if err := st.resume(); err != nil {
		return nil, errors.Join(err, st.Keep())
	}
	return st, nil
}

// resume takes over what the journal vouches for and is still there, and removes all else.
func (st *Stage) resume() error {
	lines, err := readJournal(st.journalPath())
	if err != nil {
		return explain(st.store.root, err)
	}
	keep := map[string]bool{lockName: true, journalName: true}
	for _, l := range lines {
		staged := hasSize(st.stagedPath(l.Digest), l.Size)
		if staged || st.store.has(l.Digest, l.Size) {
			st.layers[l.Key] = l.Layer
		}
		if staged {
			st.inDir[l.Digest] = true
			keep[l.Digest.FileName()] = true
		}
	}
	entries, err := os.ReadDir(st.dir)
	if err != nil {
		return explain(st.store.root, err)
	}
	for _, e := range entries {
		if !keep[e.Name()] {
			if err := st.store.files.remove(filepath.Join(st.dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return st.repairJournal(lines)
}

// repairJournal rewrites a journal that a crash has cut, so that the next line starts on its own.
func (st *Stage) repairJournal(lines []journalLine) error {
	content, err := os.ReadFile(st.journalPath())
	if err != nil || string(content) == string(encodeJournal(lines)) {
		return nil
	}
	return st.store.files.replace(st.journalPath(), st.dir, encodeJournal(lines))
}

func (st *Stage) journalPath() string        { return filepath.Join(st.dir, journalName) }
func (st *Stage) stagedPath(d Digest) string { return filepath.Join(st.dir, d.FileName()) }

// Done is the layer of a key that needs no work: finished in this run, or in an earlier one and by
// then on the disk.
func (st *Stage) Done(key string) (Layer, bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	l, ok := st.layers[key]
	return l, ok
}

// Path is where the blob of a layer can be read until the Stage ends: staged, or in the store.
func (st *Stage) Path(d Digest) string {
	if st.staged(d) {
		return st.stagedPath(d)
	}
	return st.store.Blob(d)
}

// staged reports whether the blob lies in the staging folder.
func (st *Stage) staged(d Digest) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.inDir[d]
}

// Reuse finishes a key with a blob that is there already, in the store or in this Stage, with that
// digest and size. It reports whether there is one; it does not read it, as Check would.
func (st *Stage) Reuse(key string, l Layer) bool {
	here := st.staged(l.Digest) && hasSize(st.stagedPath(l.Digest), l.Size)
	if !here && !st.hold(l) {
		return false
	}
	st.finish(key, l, false)
	return true
}

// hold keeps a blob of the store from vanishing while the import runs, and reports whether the store
// has it: others may remove what no manifest names, but not the second link in the staging folder.
// Where there are no links, the new time of change protects it for an hour, and Publish looks again.
func (st *Stage) hold(l Layer) bool {
	if !st.store.has(l.Digest, l.Size) {
		return false
	}
	f := st.store.files
	_ = f.touch(st.store.Blob(l.Digest)) // protects from Ollama's pruning; not ours to change if it fails
	if err := f.link(st.store.Blob(l.Digest), st.stagedPath(l.Digest)); err == nil {
		st.mu.Lock()
		st.inDir[l.Digest] = true
		st.mu.Unlock()
	}
	return true
}

// finish notes the layer of a key, to be flushed and journalled.
func (st *Stage) finish(key string, l Layer, staged bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.layers[key] = l
	if staged {
		st.inDir[l.Digest] = true
	}
	st.pending = append(st.pending, journalLine{key, l})
}

// Flush brings all blobs that are finished to the disk, in one batch, and then says so in the
// journal: a later run finds them with Done. It may run while other blobs are being written. After
// an error the Stage is of no more use: Keep it, and start again.
func (st *Stage) Flush(ctx context.Context) error {
	st.flushing.Lock()
	defer st.flushing.Unlock()
	st.mu.Lock()
	batch, broken := st.pending, st.broken
	st.pending = nil
	st.mu.Unlock()
	if broken != nil || len(batch) == 0 {
		return broken
	}
	err := st.flush(ctx, batch)
	if err != nil {
		st.mu.Lock()
		st.broken = err
		st.mu.Unlock()
	}
	return err
}

func (st *Stage) flush(ctx context.Context, batch []journalLine) error {
	var names []string
	st.mu.Lock()
	for _, l := range batch {
		if st.inDir[l.Digest] {
			names = append(names, l.Digest.FileName())
		}
	}
	st.mu.Unlock()
	f := st.store.files
	if err := f.syncFiles(ctx, st.dir, names); err != nil {
		return err
	}
	if err := f.syncDir(st.dir); err != nil {
		return err
	}
	return f.append(st.journalPath(), encodeJournal(batch))
}

// Keep ends the Stage and leaves what is in it for the next run. After Publish or Discard it does
// nothing, so that it can be deferred.
func (st *Stage) Keep() error {
	if st.lock == nil {
		return nil
	}
	lock := st.lock
	st.lock = nil
	return lock.Close()
}

// Discard ends the Stage and removes all that is in it.
func (st *Stage) Discard() error {
	if st.lock == nil {
		return nil
	}
	return errors.Join(st.store.files.removeStaging(st.dir), st.Keep())
}

// removeStaging removes a staging folder, the lock last. The caller holds the lock, until then: who
// finds the folder without it may take it up at once.
func (f files) removeStaging(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return explain(f.root, err)
	}
	for _, e := range entries {
		if e.Name() != lockName {
			if err := f.remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := f.remove(filepath.Join(dir, lockName)); err != nil {
		return err
	}
	if err := f.remove(dir); !errors.Is(err, unix.ENOTEMPTY) {
		return err
	}
	return nil
}
