package manifest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// files makes every change to the disk that this package makes, one step at a time, so that a test
// can stop it at any step. Its errors say what to do about a full disk or a lack of permission.
type files struct {
	root   string                        // of the store, for errors
	before func(op step, p string) error // nil, but in tests: an error stops the step from being made
}

// step names one kind of change.
type step string

const (
	stepMkdir   step = "mkdir"
	stepCreate  step = "create"
	stepWrite   step = "write"
	stepMode    step = "mode"
	stepSync    step = "sync"
	stepSyncDir step = "sync folder"
	stepRename  step = "rename"
	stepLink    step = "link"
	stepTouch   step = "touch"
	stepRemove  step = "remove"
)

// do makes one step, unless a test stops it.
func (f files) do(op step, path string, change func() error) error {
	if f.before != nil {
		if err := f.before(op, path); err != nil {
			return err
		}
	}
	return explain(f.root, change())
}

func (f files) mkdir(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	return f.do(stepMkdir, path, func() error { return os.MkdirAll(path, 0o755) })
}

// temp creates a file of a new name in dir.
func (f files) temp(dir string) (file *os.File, err error) {
	err = f.do(stepCreate, filepath.Join(dir, tempPrefix), func() error {
		file, err = os.CreateTemp(dir, tempPrefix+"*")
		return err
	})
	return file, err
}

// write adds p to file. Where a test stops it, half of p is there, as after a crash.
func (f files) write(file *os.File, p []byte) error {
	err := f.do(stepWrite, file.Name(), func() error {
		_, err := file.Write(p)
		return err
	})
	if f.before != nil && err != nil {
		file.Write(p[:len(p)/2])
	}
	return err
}

// writeAt puts p into file at offset, wherever the file is being written. Where a test stops it, half
// of p is there.
func (f files) writeAt(file *os.File, p []byte, offset int64) error {
	err := f.do(stepWrite, file.Name(), func() error {
		_, err := file.WriteAt(p, offset)
		return err
	})
	if f.before != nil && err != nil {
		file.WriteAt(p[:len(p)/2], offset)
	}
	return err
}

// readable lets everyone read file, whatever the umask: Ollama often runs as a user of its own.
func (f files) readable(file *os.File) error {
	return f.do(stepMode, file.Name(), func() error { return file.Chmod(0o644) })
}

// append adds bytes to the end of the file at path, made if need be, and flushes it to the disk.
func (f files) append(path string, p []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return explain(f.root, err)
	}
	if err := f.write(file, p); err != nil {
		return errors.Join(err, file.Close())
	}
	err = f.do(stepSync, path, file.Sync)
	return errors.Join(err, file.Close())
}

// replace gives path new content in one rename. The new file waits in tempDir, on the same file
// system, until it is on the disk.
func (f files) replace(path, tempDir string, content []byte) error {
	var pending *renameio.PendingFile
	err := f.do(stepCreate, filepath.Join(tempDir, filepath.Base(path)), func() (err error) {
		pending, err = renameio.NewPendingFile(path, renameio.WithTempDir(tempDir), renameio.WithStaticPermissions(0o644))
		return err
	})
	if err != nil {
		return err
	}
	if err := f.write(pending.File, content); err != nil {
		return errors.Join(err, f.do(stepRemove, pending.Name(), pending.Cleanup))
	}
	if err := f.do(stepRename, path, pending.CloseAtomicallyReplace); err != nil {
		return errors.Join(err, f.do(stepRemove, pending.Name(), pending.Cleanup))
	}
	return f.syncDir(filepath.Dir(path))
}

func (f files) rename(from, to string) error {
	return f.do(stepRename, to, func() error { return os.Rename(from, to) })
}

func (f files) link(from, to string) error {
	return f.do(stepLink, to, func() error { return os.Link(from, to) })
}

// touch sets the time of change to now, for which the right to write is enough.
func (f files) touch(path string) error {
	return f.do(stepTouch, path, func() error {
		if err := unix.Utimes(path, nil); err != nil {
			return &fs.PathError{Op: "touch", Path: path, Err: err}
		}
		return nil
	})
}

// remove deletes a file or an empty folder; that it is gone already is no error.
func (f files) remove(path string) error {
	err := f.do(stepRemove, path, func() error { return os.Remove(path) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// syncFiles flushes the files of those names in dir to the disk, all together.
func (f files) syncFiles(ctx context.Context, dir string, names []string) error {
	return f.do(stepSync, dir, func() error { return syncBatch(ctx, dir, names) })
}

// syncDir flushes the names in a folder to the disk.
func (f files) syncDir(dir string) error {
	return f.do(stepSyncDir, dir, func() error {
		d, err := os.Open(dir)
		if err != nil {
			return err
		}
		return errors.Join(d.Sync(), d.Close())
	})
}
