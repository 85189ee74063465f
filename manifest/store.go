package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"qimport/internal/spelling"
)

// ErrNotFound marks a name that the store does not have.
var ErrNotFound = errors.New("no such model")

// Store is the folder in which models lie. Its methods may be called at the same time, also from
// several processes.
type Store struct {
	root  string
	files files
	tick  time.Duration // clockTick, but in tests
}

// Entry is one name of the store and what it points at.
type Entry struct {
	Name     Name
	Manifest Manifest
	Digest   Digest    // of the manifest's bytes as they lie on the disk
	Modified time.Time // when the name was last moved
}

// DefaultRoot is the folder that Ollama uses: OLLAMA_MODELS, else ~/.ollama/models.
func DefaultRoot() (string, error) {
	if dir := strings.Trim(strings.TrimSpace(os.Getenv("OLLAMA_MODELS")), `"'`); dir != "" {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no home folder to find the store in, name one with --store or OLLAMA_MODELS: %w", err)
	}
	return filepath.Join(home, ".ollama", "models"), nil
}

// Open is the store at root. Nothing is made there until something is written.
func Open(root string) (*Store, error) {
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(abs); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("the store %s is a file, not a folder", abs)
	}
	return &Store{root: abs, files: files{root: abs}, tick: clockTick}, nil
}

// Root is the absolute path of the store.
func (s *Store) Root() string { return s.root }

// Blob is where the blob of that digest lies, if the store has it.
func (s *Store) Blob(d Digest) string { return filepath.Join(s.blobsDir(), d.FileName()) }

// IndexPath is where the importer's cache of which source bytes made which blob lies, which ReadIndex
// and UpdateIndex are for. It may be removed at any time.
func (s *Store) IndexPath() string { return filepath.Join(s.root, indexName) }

const (
	indexName = "qimport-index"
	maxIndex  = 256 << 20
)

// ReadIndex is what the importer keeps beside the store; nothing where there is nothing, or no file.
func (s *Store) ReadIndex() ([]byte, error) {
	b, _, err := s.files.read(s.IndexPath(), maxIndex)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotFile) {
		return nil, nil
	}
	return b, explain(s.root, err)
}

// UpdateIndex replaces it by what change makes of it, one process at a time.
func (s *Store) UpdateIndex(change func(old []byte) []byte) error {
	return s.update(indexName, maxIndex, change)
}

func (s *Store) blobsDir() string              { return filepath.Join(s.root, "blobs") }
func (s *Store) manifestsDir() string          { return filepath.Join(s.root, "manifests") }
func (s *Store) stagingDir() string            { return filepath.Join(s.root, "qimport-staging") }
func (s *Store) reportsDir() string            { return filepath.Join(s.root, "qimport-reports") }
func (s *Store) manifestPath(n Name) string    { return filepath.Join(s.manifestsDir(), n.path()) }
func (s *Store) has(d Digest, size int64) bool { return s.files.hasSize(s.Blob(d), size) }
func (s *Store) lockPath() string              { return filepath.Join(s.stagingDir(), ".lock") }

// OpenBlob opens the blob of a layer. One of another size is ErrDamaged; what is in it is for the reader
// to check.
func (s *Store) OpenBlob(l Layer) (*os.File, error) {
	file, info, err := s.files.open(s.Blob(l.Digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s (%s) is not in %s: import again", ErrMissingBlob, l.Digest, l.label(), s.blobsDir())
	}
	if err != nil {
		return nil, explain(s.root, err)
	}
	if info.Size() != l.Size {
		return nil, errors.Join(fmt.Errorf("%w: %s has %d bytes, the manifest says %d", ErrDamaged, s.Blob(l.Digest), info.Size(), l.Size), file.Close())
	}
	return file, nil
}

// Has reports whether the store has a blob of that layer's digest and size. What is in it is for Check
// to say.
func (s *Store) Has(l Layer) bool { return s.has(l.Digest, l.Size) }

// Manifest reads what a name points at. The error is ErrNotFound or ErrBadManifest.
func (s *Store) Manifest(n Name) (Manifest, error) {
	e, err := s.Lookup(n)
	return e.Manifest, err
}

// Lookup is the entry of a name. Where the store has it in another case, that one is meant, as
// Ollama does it. The error is ErrNotFound or ErrBadManifest.
func (s *Store) Lookup(n Name) (Entry, error) {
	e, err := s.read(n)
	if !errors.Is(err, fs.ErrNotExist) {
		return e, err
	}
	if other, ok := s.otherCase(n); ok {
		return s.read(other)
	}
	return Entry{}, fmt.Errorf("%w as %s in the store %s%s", ErrNotFound, n, s.root, s.guess(n))
}

// guess is the name of the store that was probably meant, in brackets, or "". Of equally near ones that of
// the same model comes first.
func (s *Store) guess(n Name) string {
	names, _ := s.names() // what cannot be read cannot be meant
	var same, other []string
	for _, known := range names {
		if known.Model == n.Model {
			same = append(same, known.String())
		} else {
			other = append(other, known.String())
		}
	}
	return spelling.DidYouMean(n.String(), append(same, other...))
}

// Content is the manifest of a name, byte for byte as it lies on the disk, with what Parse leaves out.
func (s *Store) Content(n Name) (Entry, []byte, error) {
	e, err := s.Lookup(n)
	if err != nil {
		return Entry{}, nil, err
	}
	b, _, err := s.files.read(s.manifestPath(e.Name), MaxManifestBytes)
	if err == nil && DigestOf(b) != e.Digest {
		err = fmt.Errorf("%s was moved while it was read: run the same again", e.Name)
	}
	return e, b, explain(s.root, err)
}

// otherCase is the name of the store that differs from n in case alone, if there is one.
func (s *Store) otherCase(n Name) (Name, bool) {
	names, _ := s.names() // what cannot be read cannot be found
	for _, other := range names {
		if other != n && other.sameFold(n) {
			return other, true
		}
	}
	return Name{}, false
}

// read is the entry of exactly this name.
func (s *Store) read(n Name) (Entry, error) {
	path := s.manifestPath(n)
	content, info, err := s.files.read(path, MaxManifestBytes)
	if err != nil {
		return Entry{}, explain(s.root, err)
	}
	m, err := Parse(content)
	if err != nil {
		return Entry{}, fmt.Errorf("%s: %s: %w", n, path, err)
	}
	return Entry{Name: n, Manifest: m, Digest: DigestOf(content), Modified: info.ModTime()}, nil
}

// List is every model of the store, sorted by name. What cannot be read is in the error, all of it;
// the entries beside it are good.
func (s *Store) List() ([]Entry, error) {
	entries, bad := s.entries()
	return entries, errors.Join(bad...)
}

// entries is List, with what cannot be read one by one.
func (s *Store) entries() ([]Entry, []error) {
	names, bad := s.names()
	var entries []Entry
	for _, n := range names {
		e, err := s.read(n)
		switch {
		case err == nil:
			entries = append(entries, e)
		case !errors.Is(err, fs.ErrNotExist): // else removed since
			bad = append(bad, err)
		}
	}
	return entries, bad
}

// names is every name of the store, sorted. A file where only names can be, but whose path is none,
// is among the errors.
func (s *Store) names() ([]Name, []error) {
	paths, bad := s.filesAtDepth("", 4)
	var names []Name
	for _, p := range paths {
		parts := strings.Split(p, string(filepath.Separator))
		n := Name{parts[0], parts[1], parts[2], parts[3]}
		if err := n.Validate(); err != nil {
			bad = append(bad, fmt.Errorf("%q: %w; move the file away", filepath.Join(s.manifestsDir(), p), err))
			continue
		}
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b Name) int { return strings.Compare(a.String(), b.String()) })
	return names, bad
}

// filesAtDepth is the path, relative to the manifests, of every file that lies depth levels below
// dir; none where dir does not exist. What is neither a file nor a folder is among the errors: what a
// link points to is not known to be there, or the same, a moment later.
func (s *Store) filesAtDepth(dir string, depth int) (paths []string, bad []error) {
	infos, err := s.files.list(filepath.Join(s.manifestsDir(), dir))
	if err != nil {
		bad = append(bad, explain(s.root, err))
	}
	for _, info := range infos {
		path := filepath.Join(dir, info.Name())
		switch {
		case info.IsDir() && depth > 1:
			below, badBelow := s.filesAtDepth(path, depth-1)
			paths, bad = append(paths, below...), append(bad, badBelow...)
		case !info.Mode().IsRegular() && !info.IsDir():
			bad = append(bad, checkRegular(filepath.Join(s.manifestsDir(), path), info))
		case depth == 1 && info.IsDir():
			bad = append(bad, checkRegular(filepath.Join(s.manifestsDir(), path), info))
		case depth == 1:
			paths = append(paths, path)
		}
	}
	return paths, bad
}

// lock keeps blobs from being removed (shared) or from being put in place (exclusive) by other
// processes of ours, until the returned lock is closed.
func (s *Store) lock(ctx context.Context, exclusive bool) (*lock, error) {
	return s.files.acquire(ctx, s.lockPath(), exclusive, 0)
}
