package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dustin/go-humanize"
)

// ErrNoSpace marks a disk, or a quota, that is full or too small.
var ErrNoSpace = errors.New("not enough space")

// Space is what Preflight found.
type Space struct {
	Free   int64  // bytes that this user may still write on the store's file system
	Needed int64  // bytes asked for
	Advice string // one sentence on what will be awkward later, or ""
}

// Preflight says, without writing, whether an import of that many bytes can go into the store: the
// folders can be written, blobs, manifests and staging lie on one file system (a rename moves
// between them), and there is room. The error says what to do; it is fs.ErrPermission or ErrNoSpace
// where one of them is the cause.
func (s *Store) Preflight(bytesNeeded int64) (Space, error) {
	space := Space{Needed: bytesNeeded}
	var devices []string
	for _, dir := range []string{s.blobsDir(), s.manifestsDir(), s.stagingDir()} {
		existing, info, err := nearestFolder(dir)
		if err != nil {
			return space, explain(s.root, err)
		}
		if err := mayWriteIn(existing); err != nil {
			return space, explain(s.root, &fs.PathError{Op: "write to", Path: existing, Err: err})
		}
		devices = append(devices, deviceOf(existing, info))
	}
	if devices[0] != devices[2] || devices[1] != devices[2] {
		return space, fmt.Errorf("%s, %s and %s lie on different file systems: move the whole store to one of them and point --store there",
			s.blobsDir(), s.manifestsDir(), s.root)
	}
	existing, info, err := nearestFolder(s.stagingDir())
	if err != nil {
		return space, explain(s.root, err)
	}
	if space.Free, err = freeBytes(existing); err != nil {
		return space, fmt.Errorf("free space of %s: %w", existing, err)
	}
	space.Advice = s.ownerAdvice(info)
	if space.Free < bytesNeeded {
		return space, fmt.Errorf("%w: %s has %s free, the import needs %s: free some, or choose another store with --store",
			ErrNoSpace, s.root, humanize.Bytes(uint64(space.Free)), humanize.Bytes(uint64(bytesNeeded)))
	}
	return space, nil
}

// CheckRoom says whether bytes more can be written into a folder, which exists: ErrNoSpace if not.
func CheckRoom(dir string, bytesNeeded int64) error {
	free, err := freeBytes(dir)
	if err != nil {
		return fmt.Errorf("free space of %s: %w", dir, err)
	}
	if free < bytesNeeded {
		return fmt.Errorf("%w: %s has %s free, and %s are needed", ErrNoSpace, dir, humanize.Bytes(uint64(free)), humanize.Bytes(uint64(bytesNeeded)))
	}
	return nil
}

// nearestFolder is dir, or the nearest folder above it that exists.
func nearestFolder(dir string) (string, os.FileInfo, error) {
	info, err := os.Stat(dir)
	switch {
	case err == nil && info.IsDir():
		return dir, info, nil
	case err == nil:
		return "", nil, fmt.Errorf("%s is a file where the store needs a folder: move it away", dir)
	case errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir):
		return nearestFolder(filepath.Dir(dir))
	}
	return "", nil, err
}

// explain adds to an error of the file system what to do about it.
func explain(root string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission), isReadOnly(err):
		return fmt.Errorf("%w: %s", err, permissionAdvice(root))
	case isFull(err):
		return fmt.Errorf("%w: %w: free some on the disk of %s and run the same again, what is finished is kept",
			ErrNoSpace, err, root)
	}
	return err
}
