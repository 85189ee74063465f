package export

import (
	"io/fs"
	"os"
	"strings"
)

// unfinishedPrefix begins the name of the directory in which an export gathers, beside where it will
// be: a rename brings it there.
const unfinishedPrefix = ".qimport-export-"

// unfinished is such a directory. The kernel's lock on it says that its export is running, and
// vanishes with the process.
type unfinished struct {
	path string
	lock *os.File
}

// newUnfinished makes one. Where another export took it for a leftover before it was locked, it makes
// the next.
func newUnfinished(parent string) (unfinished, error) {
	for try := 0; ; try++ {
		path, err := os.MkdirTemp(parent, unfinishedPrefix)
		if err != nil {
			return unfinished{}, err
		}
		lock, err := lockFolder(path)
		if err == nil {
			if _, err = os.Lstat(path); err == nil {
				return unfinished{path, lock}, nil
			}
		}
		lock.Close() // of a nil file, too
		if try == 100 {
			return unfinished{}, err
		}
	}
}

func (u unfinished) close() { u.lock.Close() }

// removeLeftovers removes what killed exports have left in a directory, as far as that can be. What is
// locked is being written, what is a link is none of ours, and what another user left is his to remove.
func removeLeftovers(parent string) {
	root, err := os.OpenRoot(parent)
	if err != nil {
		return
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), unfinishedPrefix) {
			removeLeftover(root, e.Name())
		}
	}
}

func removeLeftover(root *os.Root, name string) {
	dir, err := root.Open(name)
	if err != nil {
		return
	}
	defer dir.Close()
	if isLeftover(dir) {
		_ = root.RemoveAll(name)
	}
}
