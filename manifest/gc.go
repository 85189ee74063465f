package manifest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Grace is how long Ollama leaves a blob alone that no manifest names: somebody may be about to.
const Grace = time.Hour

// GCOptions says what GC takes for garbage.
type GCOptions struct {
	DryRun      bool          // find it, and remove nothing
	Grace       time.Duration // what was changed within this time stays; usually Grace, 0 spares nothing
	Interrupted bool          // also what interrupted imports have finished, and would go on from
}

// Garbage is one thing that no name needs: a blob, a report, signed statements, a file left by a crash, or the staging
// folder of an interrupted import.
type Garbage struct {
	Path  string
	Bytes int64
	Why   string // why it stays, or "" where it goes
}

// GCResult is what GC removed, or would remove, and what it left although no name needs it.
type GCResult struct {
	Removed []Garbage
	Bytes   int64 // of Removed
	Kept    []Garbage
}

func (r *GCResult) add(g Garbage) {
	if g.Why != "" {
		r.Kept = append(r.Kept, g)
		return
	}
	r.Removed = append(r.Removed, g)
	r.Bytes += g.Bytes
}

// GC removes what no name needs. What belongs to an import that is running stays. While any manifest
// cannot be read it removes nothing, since nobody knows which blobs that one needs.
func (s *Store) GC(ctx context.Context, o GCOptions) (GCResult, error) {
	if !o.DryRun {
		lock, err := s.lock(ctx, true)
		if err != nil {
			return GCResult{}, err
		}
		defer lock.Close()
	}
	plan, err := s.planGC(o)
	if err != nil || o.DryRun {
		return plan, err
	}
	done := GCResult{Kept: plan.Kept}
	for _, g := range plan.Removed {
		err := errors.Join(ctx.Err(), s.collect(g.Path))
		if errors.Is(err, ErrLocked) {
			g.Why = "an import has just taken it up"
			err = nil
		}
		if err != nil {
			return done, err
		}
		done.add(g)
	}
	return done, nil
}

// planGC finds all garbage, and changes nothing.
func (s *Store) planGC(o GCOptions) (GCResult, error) {
	entries, err := s.List()
	if err != nil {
		return GCResult{}, fmt.Errorf("nothing was removed: which blobs are needed is not known before every manifest can be read; remove or repair this one: %w", err)
	}
	var r GCResult
	staged, err := s.planStaging(&r, o)
	if err != nil {
		return GCResult{}, err
	}
	if err := s.planBlobs(&r, o, namedBlobs(entries), staged); err != nil {
		return GCResult{}, err
	}
	return r, s.planBeside(&r, o, entries)
}

// planBlobs looks for blobs that are neither named nor staged. What has a blob's name and is none is
// named, for the user to look at. Other files in the folder are Ollama's downloads.
func (s *Store) planBlobs(r *GCResult, o GCOptions, named, staged map[Digest]bool) error {
	return s.eachFile(s.blobsDir(), func(path string, info os.FileInfo) error {
		d, ok := blobOf(info.Name())
		if !ok || named[d] {
			return nil
		}
		why := tooYoung(info, o)
		if staged[d] {
			why = "an import that is not finished uses it"
		}
		if !info.Mode().IsRegular() {
			why = "it is " + kindOf(info.Mode()) + ", which is none of qimport's or Ollama's"
		}
		r.add(Garbage{path, info.Size(), why})
		return nil
	})
}

// planStaging looks at the imports that are not finished and at what lies beside them, and returns
// the blobs that must stay for the former. A link is what lies beside: it goes, and what it points to
// is none of ours.
func (s *Store) planStaging(r *GCResult, o GCOptions) (map[Digest]bool, error) {
	staged := map[Digest]bool{}
	err := s.eachFile(s.stagingDir(), func(path string, info os.FileInfo) error {
		if !info.IsDir() {
			if path != s.lockPath() {
				r.add(Garbage{path, info.Size(), tooYoung(info, o)})
			}
			return nil
		}
		blobs, bytes, err := s.stagedBlobs(path)
		if err != nil {
			return err
		}
		g := Garbage{Path: path, Bytes: bytes}
		switch {
		case s.running(path):
			g.Why = "an import is running"
		case !o.Interrupted:
			g.Why = "an interrupted import can go on from it"
		}
		if g.Why != "" {
			for _, d := range blobs {
				staged[d] = true
			}
		}
		r.add(g)
		return nil
	})
	return staged, err
}

// stagedBlobs is every blob that an unfinished import counts on, and the bytes in its folder.
func (s *Store) stagedBlobs(dir string) (blobs []Digest, bytes int64, err error) {
	lines, _, err := s.files.readJournal(filepath.Join(dir, journalName))
	if err != nil && !errors.Is(err, errNotFile) {
		return nil, 0, err
	}
	for _, l := range lines {
		blobs = append(blobs, l.Digest)
	}
	err = s.eachFile(dir, func(_ string, info os.FileInfo) error {
		if d, ok := blobOf(info.Name()); ok {
			blobs = append(blobs, d)
		}
		bytes += info.Size()
		return nil
	})
	return blobs, bytes, err
}

// running reports whether a process holds the lock of a staging folder.
func (s *Store) running(dir string) bool { return s.held(filepath.Join(dir, lockName)) }

// held reports whether a process holds the lock at path.
func (s *Store) held(path string) bool {
	if info, err := s.files.lstat(path); err != nil || !info.Mode().IsRegular() {
		return false
	}
	lock, err := s.files.acquire(context.Background(), path, true, lockRetry)
	if err != nil {
		return true
	}
	return lock.Close() != nil
}

// planBeside looks for reports and signed statements on manifests that no name points at.
func (s *Store) planBeside(r *GCResult, o GCOptions, entries []Entry) error {
	named := map[string]bool{}
	for _, e := range entries {
		named[s.reportPath(e.Digest)], named[s.AttestationsPath(e.Digest)] = true, true
	}
	unnamed := func(path string, info os.FileInfo) error {
		switch {
		case info.IsDir():
			r.add(Garbage{path, info.Size(), "it is a folder, which is none of qimport's"})
		case !named[path] || !info.Mode().IsRegular():
			r.add(Garbage{path, info.Size(), tooYoung(info, o)})
		}
		return nil
	}
	return errors.Join(s.eachFile(s.reportsDir(), unnamed), s.eachFile(s.attestationsDir(), unnamed))
}

// collect removes a file or a link, or the staging folder of an interrupted import.
func (s *Store) collect(path string) error {
	if info, err := s.files.lstat(path); err != nil || !info.IsDir() {
		return s.files.remove(path)
	}
	if info, err := s.files.lstat(filepath.Join(path, lockName)); err == nil && !info.Mode().IsRegular() {
		if err := s.files.removeAll(filepath.Join(path, lockName)); err != nil {
			return err
		}
	}
	lock, err := s.files.acquire(context.Background(), filepath.Join(path, lockName), true, lockRetry)
	if err != nil {
		return err
	}
	return errors.Join(s.files.removeStaging(path), lock.Close())
}

// eachFile calls visit for everything in a folder, sorted by name; a folder that does not exist is
// empty, and what vanishes meanwhile is skipped. Links are not followed.
func (s *Store) eachFile(dir string, visit func(path string, info os.FileInfo) error) error {
	infos, err := s.files.list(dir)
	if err != nil {
		return explain(s.root, err)
	}
	for _, info := range infos {
		if err := visit(filepath.Join(dir, info.Name()), info); err != nil {
			return err
		}
	}
	return nil
}

// blobOf is the digest that a file of that name holds; false for a file that is no blob.
func blobOf(fileName string) (Digest, bool) {
	d, err := ParseDigest(fileName)
	return d, err == nil && strings.HasPrefix(fileName, "sha256-")
}

func tooYoung(info os.FileInfo, o GCOptions) string {
	if time.Since(info.ModTime()) >= o.Grace {
		return ""
	}
	return fmt.Sprintf("changed less than %s ago", o.Grace)
}
