//go:build unix

package replace

import (
	"os"

	"github.com/google/renameio/v2"
)

// File is a file that is not in its place yet.
type File struct{ *renameio.PendingFile }

// New begins the file that is to lie at path.
func New(path string, mode Mode) (*File, error) {
	f, err := renameio.NewPendingFile(path, mode.options()...)
	if err != nil {
		return nil, err
	}
	return &File{f}, nil
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
func (f *File) Place() error { return f.CloseAtomicallyReplace() }

// Drop gives the file up. Once it is in its place that does nothing.
func (f *File) Drop() error { return f.Cleanup() }

// SyncNames brings the names in a folder that is open to the disk.
func SyncNames(folder *os.File) error { return folder.Sync() }
