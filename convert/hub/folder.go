package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// folder is a repository's folder in the cache, as huggingface_hub lays it out:
//
//	refs/REVISION          a commit
//	snapshots/COMMIT/FILE  a link to ../../blobs/OID
//	blobs/OID              content, or a link to the blobs that the whole cache shares
//	qimport/COMMIT.json    ours: what the hub lists for a snapshot
//
// Anyone may have written into it. All names go through a root that no link leads out of, and what
// is neither a file nor one of the links above is refused by name.
type folder struct {
	cache string   // absolute
	name  string   // models--org--name
	store *os.Root // the cache
	root  *os.Root // the repository's folder
}

const (
	blobsDir     = "blobs"
	snapshotsDir = "snapshots"
	oursDir      = "qimport" // notes, and what is not yet in its place
	incomplete   = ".incomplete"
)

// errRefused marks what in the cache leads where it must not.
var errRefused = errors.New("remove it and try again")

func folderName(id string) string { return "models--" + strings.ReplaceAll(id, "/", "--") }

// openFolder opens what the cache has of a repository; fs.ErrNotExist for nothing.
func openFolder(cache, id string) (*folder, error) {
	cache, err := filepath.Abs(cache)
	if err != nil {
		return nil, err
	}
	f := &folder{cache: cache, name: folderName(id)}
	if f.store, err = os.OpenRoot(cache); err != nil {
		return nil, f.trouble(err)
	}
	f.root, err = os.OpenRoot(f.path(".")) // the folder itself may lie on another disk
	if err == nil {
		err = f.checkFolders(blobsDir, snapshotsDir, "refs", oursDir)
	}
	if err != nil {
		f.close()
		return nil, f.trouble(err)
	}
	return f, nil
}

// makeFolder opens a repository's folder, and makes what it lacks.
func makeFolder(cache, id string) (*folder, error) {
	for _, dir := range []string{blobsDir, snapshotsDir, "refs", oursDir} {
		if err := os.MkdirAll(filepath.Join(cache, folderName(id), dir), 0o777); err != nil { // the umask decides
			return nil, (&folder{cache: cache}).trouble(err)
		}
	}
	return openFolder(cache, id)
}

func (f *folder) close() {
	f.store.Close()
	if f.root != nil {
		f.root.Close()
	}
}

func (f *folder) path(inside string) string { return filepath.Join(f.cache, f.name, inside) }

// trouble is an error of the disk under the cache. Only that nothing is there can be told from it: a
// missing permission here is none of the store's.
func (f *folder) trouble(err error) error {
	var told diskError
	for _, known := range []error{nil, fs.ErrNotExist, errRefused, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return err
		}
	}
	if errors.As(err, &told) {
		return err
	}
	return diskError(fmt.Sprintf("the Hugging Face cache %s (HF_HUB_CACHE chooses another): %v", f.cache, err))
}

type diskError string

func (e diskError) Error() string { return string(e) }

func (f *folder) refuse(name, what string) error {
	return fmt.Errorf("%s in the Hugging Face cache %s: %w", f.path(name), what, errRefused)
}

// checkFolders refuses folders that are links or anything else; missing ones are none.
func (f *folder) checkFolders(names ...string) error {
	for _, name := range names {
		info, err := f.root.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return f.refuse(name, "is no folder")
		}
	}
	return nil
}

// readFile reads a regular file of at most limit bytes. A folder of that name is no such file.
func (f *folder) readFile(name string, limit int64) ([]byte, error) {
	info, err := f.root.Lstat(name)
	if errors.Is(err, syscall.ENOTDIR) || err == nil && info.IsDir() {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, f.refuse(name, "is no regular file")
	}
	return readAtMost(f.root, name, limit)
}

func readAtMost(root *os.Root, name string, limit int64) ([]byte, error) {
	file, err := openRegular(root, name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s has more than %d bytes: %w", filepath.Join(root.Name(), name), limit, errRefused)
	}
	return b, err
}

// openRegular opens for reading, and waits for no pipe.
func openRegular(root *os.Root, name string) (*os.File, error) {
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file: %w", filepath.Join(root.Name(), name), errRefused)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}
