package manifest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
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
	lock  *lock // nil when the Stage has ended

	proofs   *proofs    // of blobs, here and in the store
	holding  sync.Mutex // one blob of the store is linked at a time
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
	st, err := s.stage(context.Background(), fingerprint, lockWait)
	if errors.Is(err, ErrLocked) {
		return nil, fmt.Errorf("%w: another qimport is importing the very same into %s; wait for it, or stop it", ErrLocked, s.root)
	}
	return st, err
}

// AwaitStage is Stage, but waits for the other process until ctx ends. waiting is told when it must.
func (s *Store) AwaitStage(ctx context.Context, fingerprint string, waiting func()) (*Stage, error) {
	st, err := s.stage(ctx, fingerprint, lockWait)
	if errors.Is(err, ErrLocked) {
		waiting()
		st, err = s.stage(ctx, fingerprint, 0)
	}
	return st, err
}

func (s *Store) stage(ctx context.Context, fingerprint string, wait time.Duration) (*Stage, error) {
	if !fingerprintForm.MatchString(fingerprint) {
		return nil, fmt.Errorf("fingerprint %q cannot name a folder", fingerprint)
	}
	dir := s.stagePath(fingerprint)
	lock, err := s.files.acquire(ctx, filepath.Join(dir, lockName), true, wait)
	if err != nil {
		return nil, err
	}
	st := &Stage{store: s, dir: dir, lock: lock, proofs: s.readProofs(), layers: map[string]Layer{}, inDir: map[Digest]bool{}}
	if err := st.resume(ctx); err != nil {
		return nil, errors.Join(err, st.Keep())
	}
	return st, nil
}

// Staged is what an interrupted import of that fingerprint has finished, by key, as its journal says.
// Nothing is opened or changed.
func (s *Store) Staged(fingerprint string) map[string]Layer {
	if !fingerprintForm.MatchString(fingerprint) {
		return nil
	}
	lines, _, _ := s.files.readJournal(filepath.Join(s.stagePath(fingerprint), journalName)) // none to be had is none
	staged := map[string]Layer{}
	for _, l := range lines {
		staged[l.Key] = l.Layer
	}
	return staged
}

// resume takes over what the journal vouches for and is still there, whole, and removes all else.
func (st *Stage) resume(ctx context.Context) error {
	f := st.store.files
	lines, content, err := f.readJournal(st.journalPath())
	if err != nil && !errors.Is(err, errNotFile) {
		return explain(st.store.root, err)
	}
	whole, err := st.whole(ctx, lines)
	if err != nil {
		return err
	}
	keep := map[string]bool{lockName: true, journalName: content != nil}
	for _, l := range lines {
		where, ok := whole[l.Digest]
		if !ok {
			continue
		}
		st.layers[l.Key] = l.Layer
		if where == st.stagedPath(l.Digest) {
			st.inDir[l.Digest] = true
			keep[l.Digest.FileName()] = true
		}
	}
	infos, err := f.list(st.dir)
	if err != nil {
		return explain(st.store.root, err)
	}
	for _, info := range infos {
		if !keep[info.Name()] {
			if err := f.removeAll(filepath.Join(st.dir, info.Name())); err != nil {
				return err
			}
		}
	}
	if text := encodeJournal(lines); content != nil && !bytes.Equal(content, text) { // cut by a crash: the next line starts on its own
		return f.replace(st.journalPath(), st.dir, text)
	}
	return nil
}

// whole is where the blobs of journal lines lie, of those that are whole. What has no evidence is
// read, over all cores.
func (st *Stage) whole(ctx context.Context, lines []journalLine) (map[Digest]string, error) {
	where := map[Digest]string{}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	seen := map[Digest]bool{}
	for _, l := range lines {
		if seen[l.Digest] {
			continue
		}
		seen[l.Digest] = true
		g.Go(func() error {
			staged := st.stagedPath(l.Digest)
			path := staged
			if _, err := st.store.files.lstat(staged); err != nil {
				path = st.store.Blob(l.Digest)
			} else {
				st.proofs.set(l.Digest, l.State)
			}
			if st.store.files.trusts(ctx, st.proofs, path, l.Layer) {
				mu.Lock()
				where[l.Digest] = path
				mu.Unlock()
			}
			return ctx.Err()
		})
	}
	return where, g.Wait()
}

func (s *Store) stagePath(fingerprint string) string {
	return filepath.Join(s.stagingDir(), fingerprint)
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
// digest and size, and reports whether there is one. Without evidence for it, it is read first, until
// ctx ends: a damaged one is none.
func (st *Stage) Reuse(ctx context.Context, key string, l Layer) bool {
	if !st.staged(l.Digest) && !st.store.files.trusts(ctx, st.proofs, st.store.Blob(l.Digest), l) {
		return false
	}
	return st.reuseProven(key, l)
}

// reuseProven is Reuse of what there is evidence for.
func (st *Stage) reuseProven(key string, l Layer) bool {
	here := st.staged(l.Digest) && st.store.files.hasSize(st.stagedPath(l.Digest), l.Size)
	if !here && !st.hold(l) {
		return false
	}
	st.finish(key, l, false)
	return true
}

// hold keeps a blob of the store from vanishing while the import runs, and reports whether the store
// has it, with evidence that it is whole: others may remove what no manifest names, but not the second
// link in the staging folder. Where there are no links, the new time of change protects it for an
// hour, and Publish looks again.
func (st *Stage) hold(l Layer) bool {
	st.holding.Lock()
	defer st.holding.Unlock()
	if st.staged(l.Digest) { // meanwhile, for another key
		return st.store.has(l.Digest, l.Size)
	}
	f, blob := st.store.files, st.store.Blob(l.Digest)
	info, err := f.lstat(blob)
	if err != nil || info.Size() != l.Size || !st.proofs.holds(l.Digest, info) {
		return false
	}
	var linked error
	_ = f.keeping(st.proofs, l.Digest, blob, blob, func() error {
		_ = f.touch(blob) // protects from Ollama's pruning; not ours to change if it fails
		linked = f.link(blob, st.stagedPath(l.Digest))
		return nil
	})
	if linked == nil {
		st.mu.Lock()
		st.inDir[l.Digest] = true
		st.mu.Unlock()
	}
	return true
}

// Reusable reports whether Reuse would find a blob of that digest and size, which it may have to read
// then.
func (st *Stage) Reusable(l Layer) bool { return st.staged(l.Digest) || st.store.has(l.Digest, l.Size) }

// Published reports whether the store has every blob of m, whole, so that publishing it would move at
// most the name.
func (st *Stage) Published(ctx context.Context, m Manifest) bool {
	return st.store.whole(ctx, st.proofs, m)
}

// finish notes the layer of a key, to be flushed and journalled.
func (st *Stage) finish(key string, l Layer, staged bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.layers[key] = l
	if staged {
		st.inDir[l.Digest] = true
	}
	st.pending = append(st.pending, journalLine{Key: key, Layer: l})
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
	for i, l := range batch {
		batch[i].State, _ = st.proofs.get(l.Digest)
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
	f := st.store.files
	if err := errors.Join(f.removeStaging(st.dir), st.Keep()); err != nil {
		return err
	}
	// Where a file that is open still has its name after it was removed, as on some of Windows' file
	// systems, the lock has kept the folder until now.
	if err := f.remove(st.dir); !isNotEmpty(err) {
		return err
	}
	return nil
}

// removeStaging removes a staging folder, the lock last. The caller holds the lock, until then: who
// finds the folder without it may take it up at once.
func (f files) removeStaging(dir string) error {
	infos, err := f.list(dir)
	if err != nil {
		return explain(f.root, err)
	}
	for _, info := range infos {
		if info.Name() != lockName {
			if err := f.removeAll(filepath.Join(dir, info.Name())); err != nil {
				return err
			}
		}
	}
	if err := f.remove(filepath.Join(dir, lockName)); err != nil {
		return err
	}
	if err := f.remove(dir); !isNotEmpty(err) {
		return err
	}
	return nil
}

// Doubt forgets all evidence for these blobs, here and in the store, after which they are read before
// they are used again: something was found wrong that the evidence had not shown.
func (st *Stage) Doubt(blobs []Layer) error {
	st.flushing.Lock()
	defer st.flushing.Unlock()
	doubted := map[Digest]bool{}
	for _, l := range blobs {
		doubted[l.Digest] = true
		st.proofs.drop(l.Digest)
	}
	err := st.store.update(proofsName, maxProofs, func(old []byte) []byte {
		at := parseProofs(old)
		maps.DeleteFunc(at, func(d Digest, _ state) bool { return doubted[d] })
		return st.store.encodeProofs(at)
	})
	lines, _, readErr := st.store.files.readJournal(st.journalPath())
	if len(lines) == 0 {
		return errors.Join(err, readErr)
	}
	for i, l := range lines {
		if doubted[l.Digest] {
			lines[i].State = state{}
		}
	}
	return errors.Join(err, readErr, st.store.files.replace(st.journalPath(), st.dir, encodeJournal(lines)))
}
