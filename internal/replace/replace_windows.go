package replace

import (
	"errors"
	"os"
	"path/filepath"
)

// File is a file that is not in its place yet.
type File struct {
	*os.File
	path string
	done bool
}

// New begins the file that is to lie at path.
func New(path string, _ Mode) (*File, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"*")
	if err != nil {
		return nil, err
	}
	return &File{File: f, path: path}, nil
}

// Place brings the file to the disk and gives it its name. A rename replaces what has the name, unless
// somebody has that open.
func (f *File) Place() error {
	err := errors.Join(f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), f.path)
	}
	f.done = err == nil
	return err
}

// Drop gives the file up. Once it is in its place that does nothing.
func (f *File) Drop() error {
	if f.done {
		return nil
	}
	f.done = true
	f.Close() // it may be closed
	return os.Remove(f.Name())
}

// SyncNames does nothing: the names in a folder are in NTFS's journal, and nobody can wait for them.
func SyncNames(*os.File) error { return nil }
