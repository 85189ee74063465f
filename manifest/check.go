package manifest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// ErrDamaged marks what Check found wrong.
var ErrDamaged = errors.New("damaged")

// Damage is one thing that Check found wrong.
type Damage struct {
	Path    string // of the blob or manifest; "" where Problem says where
	Holds   string // what the manifest calls the blob; "" where several manifests may
	Names   []Name // the models that it breaks; none for a blob that no manifest names
	Problem string // what, in a few words with numbers
}

// Error is one sentence with all of it.
func (d Damage) Error() string {
	what := d.Path
	if d.Holds != "" {
		what += " (" + d.Holds + ")"
	}
	switch {
	case what == "":
		return d.Problem
	case len(d.Names) == 0:
		return what + " " + d.Problem
	}
	return fmt.Sprintf("%s %s; needed by %v", what, d.Problem, d.Names)
}

// Unwrap makes every Damage an ErrDamaged.
func (d Damage) Unwrap() error { return ErrDamaged }

// CheckResult is what Check looked at and all that it found wrong.
type CheckResult struct {
	Manifests int
	Blobs     int   // read whole, those without a name included
	Bytes     int64 // of these
	Unnamed   int   // blobs that no manifest names
	// Statements counts the signed ones beside the manifests, which are for who knows their form to check.
	Statements int
	Damage     []Damage
}

// Err joins all damage, each an ErrDamaged; nil where there is none.
func (r CheckResult) Err() error {
	errs := make([]error, len(r.Damage))
	for i, d := range r.Damage {
		errs[i] = d
	}
	return errors.Join(errs...)
}

// blobCheck is one blob to be read, and what is expected of it.
type blobCheck struct {
	digest Digest
	size   int64 // as its manifests say; of the file where none does
	names  []Name
}

// Check reads every blob of the store and compares its SHA-256 with its name, over all cores, and
// every manifest with the blobs it names. progress, which may be nil, is told the bytes read so far
// and in all, from one goroutine at a time. The error is for what kept Check from looking; damage
// is in the result.
func (s *Store) Check(ctx context.Context, progress func(done, total int64)) (CheckResult, error) {
	entries, bad := s.entries()
	r := CheckResult{Manifests: len(entries)}
	for _, err := range bad {
		r.Damage = append(r.Damage, Damage{Problem: err.Error()})
	}
	blobs, err := s.blobsToCheck(entries, &r)
	if err != nil {
		return r, err
	}
	problems, err := hashAll(ctx, blobs, s.Blob, progress)
	if err != nil {
		return r, err
	}
	named, _ := s.entries() // again: what was removed or replaced while we read is no damage
	still := namedBlobs(named)
	for i, b := range blobs {
		if problems[i] == "" {
			r.Blobs++
			r.Bytes += b.size
		} else if len(b.names) == 0 || still[b.digest] {
			r.Damage = append(r.Damage, Damage{Path: s.Blob(b.digest), Names: b.names, Problem: problems[i]})
		}
	}
	return r, nil
}

// CheckBlobs is Check for the blobs of one manifest (Manifest.Blobs), which may be staged still: path
// says where each lies (Store.Blob, Stage.Path).
func CheckBlobs(ctx context.Context, layers []Layer, path func(Digest) string, progress func(done, total int64)) ([]Damage, error) {
	blobs := make([]blobCheck, len(layers))
	for i, l := range layers {
		blobs[i] = blobCheck{digest: l.Digest, size: l.Size}
	}
	problems, err := hashAll(ctx, blobs, path, progress)
	if err != nil {
		return nil, err
	}
	var damage []Damage
	for i, p := range problems {
		if p != "" {
			damage = append(damage, Damage{Path: path(layers[i].Digest), Holds: layers[i].label(), Problem: p})
		}
	}
	return damage, nil
}

// blobsToCheck lists each blob once, named or not, the largest first so that the cores end together.
// Manifests that disagree on a size are damage already.
func (s *Store) blobsToCheck(entries []Entry, r *CheckResult) ([]blobCheck, error) {
	index := map[Digest]int{}
	var blobs []blobCheck
	for _, e := range entries {
		for _, l := range e.Manifest.Blobs() {
			i, ok := index[l.Digest]
			if !ok {
				i = len(blobs)
				index[l.Digest] = i
				blobs = append(blobs, blobCheck{digest: l.Digest, size: l.Size})
			}
			blobs[i].names = append(blobs[i].names, e.Name)
			if blobs[i].size != l.Size {
				r.Damage = append(r.Damage, Damage{Path: s.manifestPath(e.Name), Names: []Name{e.Name},
					Problem: fmt.Sprintf("gives %s %d bytes, where %s gives it %d", l.Digest, l.Size, blobs[i].names[0], blobs[i].size)})
			}
		}
	}
	err := s.eachFile(s.blobsDir(), func(_ string, info os.FileInfo) error {
		if d, ok := blobOf(info.Name()); ok {
			if _, named := index[d]; !named {
				blobs = append(blobs, blobCheck{digest: d, size: info.Size()})
				r.Unnamed++
			}
		}
		return nil
	})
	slices.SortStableFunc(blobs, func(a, b blobCheck) int { return cmp.Compare(b.size, a.size) })
	return blobs, err
}

// hashAll reads the blobs over all cores and says what is wrong with each, or "".
func hashAll(ctx context.Context, blobs []blobCheck, path func(Digest) string, progress func(done, total int64)) ([]string, error) {
	var total, done int64
	for _, b := range blobs {
		total += b.size
	}
	var mu sync.Mutex
	count := func(n int64) {
		if progress != nil {
			mu.Lock()
			done += n
			progress(done, total)
			mu.Unlock()
		}
	}
	problems := make([]string, len(blobs))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, b := range blobs {
		g.Go(func() error {
			problems[i] = checkBlob(ctx, path(b.digest), b, count)
			return ctx.Err()
		})
	}
	return problems, g.Wait()
}

// checkBlob reads one blob and says what is wrong with it, or "".
func checkBlob(ctx context.Context, path string, b blobCheck, count func(int64)) string {
	file, info, err := openRegular(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "is missing"
	case errors.Is(err, errNotFile):
		return "is no file: " + err.Error()
	case err != nil:
		return "cannot be read: " + err.Error()
	}
	defer file.Close()
	if info.Size() != b.size {
		return fmt.Sprintf("has %d bytes instead of %d", info.Size(), b.size)
	}
	sum, err := HashReader(ctx, file, b.size, count)
	if err != nil {
		return "cannot be read: " + err.Error()
	}
	if sum != b.digest {
		return fmt.Sprintf("holds other bytes than it should: they hash to %s", sum)
	}
	return ""
}
