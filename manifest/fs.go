package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"qimport/internal/replace"
)

// files makes every change to the disk that this package makes, one step at a time, so that a test
// can stop it at any step, and none outside the store (see at). Its errors say what to do about a
// full disk or a lack of permission.
type files struct {
	root   string                        // of the store
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

// mkdir makes a folder, and those above it. Within a store that exists, a folder is as open to others
// as the one it is made in, whatever the umask: Ollama often runs as a user of its own.
func (f files) mkdir(path string) error {
	if info, err := f.lstat(path); err == nil && info.IsDir() {
		return nil
	}
	return f.do(stepMkdir, path, func() error {
		if _, err := os.Stat(f.root); errors.Is(err, fs.ErrNotExist) {
			if err := os.MkdirAll(f.root, 0o755); err != nil {
				return err
			}
		}
		return f.mkdirBelow(path)
	})
}

func (f files) mkdirBelow(path string) error {
	if path == f.root {
		return nil
	}
	parent := filepath.Dir(path)
	if err := f.mkdirBelow(parent); err != nil {
		return err
	}
	above, err := f.lstat(parent)
	if err != nil {
		return err
	}
	if filepath.Dir(path) == f.root { // a top folder, which may be a link
		return f.mkdirIn(f.root, path, filepath.Base(path), above.Mode().Perm())
	}
	return f.at(path, func(r *os.Root, rel string) error { return mkdirOne(r, path, rel, above.Mode().Perm()) })
}

func (f files) mkdirIn(top, path, rel string, mode fs.FileMode) error {
	r, err := os.OpenRoot(top)
	if err != nil {
		return err
	}
	defer r.Close()
	err = named(path, mkdirOne(r, path, rel, mode))
	if info, statErr := os.Stat(path); statErr == nil && info.IsDir() {
		return nil
	}
	return err
}

// mkdirOne makes one folder; that it is there is no error.
func mkdirOne(r *os.Root, path, rel string, mode fs.FileMode) error {
	err := r.Mkdir(rel, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return isFolder(r, path, rel)
	}
	if err == nil {
		_ = r.Chmod(rel, mode|0o700) // as far as it can be
	}
	return err
}

// temp creates a file of a new name in dir.
func (f files) temp(dir string) (file *os.File, err error) {
	err = f.do(stepCreate, filepath.Join(dir, tempPrefix), func() error {
		for {
			path := filepath.Join(dir, freeName(tempPrefix, rand.Uint64()))
			err := f.at(path, func(r *os.Root, rel string) error {
				file, err = r.OpenFile(rel, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
				return err
			})
			if !errors.Is(err, fs.ErrExist) {
				return err
			}
		}
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
	file, err := f.openToWrite(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND)
	if err != nil {
		return explain(f.root, err)
	}
	if err := f.write(file, p); err != nil {
		return errors.Join(err, file.Close())
	}
	err = f.do(stepSync, path, file.Sync)
	return errors.Join(err, file.Close())
}

// openToWrite opens or makes a file, and refuses what is none.
func (f files) openToWrite(path string, flags int) (file *os.File, err error) {
	err = f.at(path, func(r *os.Root, rel string) error {
		if info, err := r.Lstat(rel); err == nil {
			if err := checkRegular(path, info); err != nil {
				return err
			}
		}
		if file, err = r.OpenFile(rel, flags|noWait, 0o644); err != nil {
			return err
		}
		info, err := file.Stat()
		if err == nil {
			err = checkRegular(path, info)
		}
		if err != nil {
			file.Close()
		}
		return err
	})
	return file, err
}

// replace gives path new content in one rename. The new file waits in tempDir, on the same file
// system, until it is on the disk.
func (f files) replace(path, tempDir string, content []byte) error {
	if err := f.replaceBy(path, tempDir, content, true); err != nil {
		return err
	}
	return f.syncDir(filepath.Dir(path))
}

// replaceHint is replace for what a machine without power may take back.
func (f files) replaceHint(path, tempDir string, content []byte) error {
	return f.replaceBy(path, tempDir, content, false)
}

func (f files) replaceBy(path, tempDir string, content []byte, flush bool) error {
	file, err := f.temp(tempDir)
	if err != nil {
		return err
	}
	temp := file.Name()
	if err := errors.Join(f.fill(file, content, flush), file.Close()); err != nil {
		return errors.Join(err, f.remove(temp))
	}
	if err := f.rename(temp, path); err != nil {
		return errors.Join(err, f.remove(temp))
	}
	return nil
}

// fill writes a file that everyone may read.
func (f files) fill(file *os.File, content []byte, flush bool) error {
	if err := f.write(file, content); err != nil {
		return err
	}
	if err := f.readable(file); err != nil || !flush {
		return err
	}
	return f.do(stepSync, file.Name(), file.Sync)
}

func (f files) rename(from, to string) error {
	return f.do(stepRename, to, func() error { return f.renameFile(from, to) })
}

// link gives a file a second name, which must be free.
func (f files) link(from, to string) error {
	return f.do(stepLink, to, func() error { return f.linkFile(from, to) })
}

// touch sets the time of change to now, for which the right to write is enough.
// One that was written or touched lately is left alone: other imports may be reading it, and take a new
// time of writing for new bytes.
func (f files) touch(path string) error {
	if info, err := f.lstat(path); err == nil && time.Since(info.ModTime()).Abs() < Grace/2 {
		return nil
	}
	return f.do(stepTouch, path, func() error { return f.touchFile(path) })
}

// remove deletes a file, a link or an empty folder; that it is gone already is no error.
func (f files) remove(path string) error {
	return f.removeBy(path, (*os.Root).Remove)
}

// removeAll deletes whatever is at path, and what a link there points to not.
func (f files) removeAll(path string) error {
	return f.removeBy(path, (*os.Root).RemoveAll)
}

func (f files) removeBy(path string, remove func(r *os.Root, rel string) error) error {
	err := f.do(stepRemove, path, func() error {
		return f.at(path, func(r *os.Root, rel string) error {
			if rel == "." {
				return fmt.Errorf("%s is a folder of the store itself", path)
			}
			return remove(r, rel)
		})
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// syncFiles flushes the files of those names in dir to the disk, all together.
func (f files) syncFiles(ctx context.Context, dir string, names []string) error {
	return f.do(stepSync, dir, func() error {
		return f.at(dir, func(r *os.Root, rel string) error {
			r, err := r.OpenRoot(rel)
			if err != nil {
				return err
			}
			defer r.Close()
			return syncBatch(ctx, r, names)
		})
	})
}

// syncDir flushes the names in a folder to the disk.
func (f files) syncDir(dir string) error {
	return f.do(stepSyncDir, dir, func() error {
		return f.at(dir, func(r *os.Root, rel string) error {
			d, err := r.Open(rel)
			if err != nil {
				return err
			}
			return errors.Join(replace.SyncNames(d), d.Close())
		})
	})
}
