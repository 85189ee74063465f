//go:build unix

package replace

import (
	"os"

	"github.com/google/renameio/v2"
)

// File is a file that is not in its place yet.
type File struct {
	*os.File
	path  string
	named *renameio.PendingFile // where it has a name already, that of a temporary file
	done  bool
}

// New begins the file that is to lie at path. It has no name until it is placed where the file system has such
// files, so that a process that is killed leaves nothing.
func New(path string, mode Mode) (*File, error) {
	if f := unnamed(path, mode); f != nil {
		return &File{File: f, path: path}, nil
	}
	f, err := renameio.NewPendingFile(path, mode.options()...)
	if err != nil {
		return nil, err
	}
	return &File{File: f.File, path: path, named: f}, nil
}

func (m Mode) options() []renameio.Option {
	switch m {
	case Shared:
		return []renameio.Option{renameio.WithPermissions(0o644)}
	case Public:
		return []renameio.Option{renameio.WithPermissions(0o644), renameio.IgnoreUmask()}
	}
	return nil
}

// Place brings the file to the disk and gives it its name.
func (f *File) Place() (err error) {
	if f.named != nil {
		return f.named.CloseAtomicallyReplace()
	}
	if err = f.Sync(); err == nil {
		err = nameIt(f.File, f.path)
	}
	if err == nil {
		f.done, err = true, f.Close()
	}
	return err
}

// Drop gives the file up. Once it is in its place that does nothing.
func (f *File) Drop() error {
	if f.named != nil {
		return f.named.Cleanup()
	}
	if f.done {
		return nil
	}
	f.done = true
	return f.Close()
}

// SyncNames brings the names in a folder that is open to the disk.
func SyncNames(folder *os.File) error { return folder.Sync() }
