//go:build unix

package manifest

import (
	"os"
	"path/filepath"
)

// folder opens the folder that a path lies in, for calls that take one, and hands on the path's last
// part.
func (f files) folder(path string, do func(dir int, base string) error) error {
	return f.at(path, func(r *os.Root, rel string) error {
		if parent := filepath.Dir(rel); parent != "." {
			if err := isFolder(r, filepath.Dir(path), parent); err != nil {
				return err
			}
		}
		dir, err := r.Open(filepath.Dir(rel))
		if err != nil {
			return err
		}
		defer dir.Close()
		return do(int(dir.Fd()), filepath.Base(rel))
	})
}

// twice is folder for two paths, which may lie in different top folders.
func (f files) twice(op, from, to string, do func(fromDir int, from string, toDir int, to string) error) error {
	return f.folder(from, func(fromDir int, fromBase string) error {
		return f.folder(to, func(toDir int, toBase string) error {
			if err := do(fromDir, fromBase, toDir, toBase); err != nil {
				return &os.LinkError{Op: op, Old: from, New: to, Err: err}
			}
			return nil
		})
	})
}
