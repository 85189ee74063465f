package manifest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Links in a store. The store itself may be one, and so may each of its top folders, since users move
// them to other disks that way. Below these nothing is followed: every operation on the disk opens
// the top folder first and then stays in it (os.Root), whoever puts a link there meanwhile.

// topFolders are those of a store.
var topFolders = []string{"blobs", "manifests", "qimport-staging", "qimport-reports", "qimport-attestations", "qimport-batch"}

// at opens the top folder that a path of the store lies in, or the store for what lies beside them,
// and hands it on with the rest of the path. The errors of do are made to name the path itself.
func (f files) at(path string, do func(r *os.Root, rel string) error) error {
	below, err := filepath.Rel(f.root, path)
	if err != nil || !filepath.IsLocal(below) {
		return fmt.Errorf("%s is not in the store %s", path, f.root)
	}
	top, rel := f.root, below
	first, rest, deeper := strings.Cut(below, string(filepath.Separator))
	switch {
	case deeper:
		top, rel = filepath.Join(f.root, first), rest
	case slices.Contains(topFolders, first):
		top, rel = path, "."
	}
	r, err := os.OpenRoot(top)
	if err != nil {
		return err
	}
	defer r.Close()
	return named(path, do(r, rel))
}

// named puts the whole path into an error that knows a part of it.
func named(path string, err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		at.Op, at.Path = strings.TrimSuffix(at.Op, "at"), path
	}
	return err
}

// lstat looks at a path, and not through a link at its end.
func (f files) lstat(path string) (info os.FileInfo, err error) {
	err = f.at(path, func(r *os.Root, rel string) error {
		if rel == "." {
			info, err = r.Stat(rel)
		} else {
			info, err = r.Lstat(rel)
		}
		return err
	})
	return info, err
}

// hasSize reports whether path is a file of that size.
func (f files) hasSize(path string, size int64) bool {
	info, err := f.lstat(path)
	return err == nil && info.Mode().IsRegular() && info.Size() == size
}

// openTries is how often a file is opened that others replace again and again.
const openTries = 10

// open opens a file of the store for reading. What is no file is refused without waiting for it: a
// pipe, a device, a folder, a link.
func (f files) open(path string) (file *os.File, info os.FileInfo, err error) {
	err = f.at(path, func(r *os.Root, rel string) error {
		for range openTries {
			before, err := r.Lstat(rel)
			if err == nil {
				err = checkRegular(path, before)
			}
			if err != nil {
				return err
			}
			if file, err = r.OpenFile(rel, os.O_RDONLY|noWait, 0); err != nil {
				return err
			}
			if info, err = file.Stat(); err == nil && os.SameFile(before, info) {
				return nil
			}
			file.Close()
		}
		return fmt.Errorf("%s is replaced again and again", path)
	})
	return file, info, err
}

// read reads a file of the store, and one byte over max at most.
func (f files) read(path string, max int64) ([]byte, os.FileInfo, error) {
	file, info, err := f.open(path)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, max+1))
	return content, info, err
}

// errNotFile marks what lies where a file should, and is none.
var errNotFile = errors.New("not a file")

func checkRegular(path string, info os.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	return fmt.Errorf("%s is %s, %w: move it away", path, kindOf(info.Mode()), errNotFile)
}

// kindOf says in a word what is no file.
func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return "a file"
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeSymlink != 0:
		return "a link"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

// openRegular opens a file that is known by its path alone, such as a blob handed on as Store.Blob has
// it. It refuses what open refuses.
func openRegular(path string) (*os.File, os.FileInfo, error) {
	file, err := openNoLink(path)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil {
		err = checkRegular(path, info)
	}
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return file, info, nil
}

// ReadBlob reads a small blob whole: the one of a layer, at path. One that has another size is
// ErrDamaged.
func ReadBlob(path string, l Layer) ([]byte, error) {
	file, info, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info.Size() != l.Size {
		return nil, fmt.Errorf("%w: %s has %d bytes, the manifest says %d", ErrDamaged, path, info.Size(), l.Size)
	}
	if l.Size > maxSmallBlob {
		return nil, fmt.Errorf("%s has %d bytes, more than %d: it is no small file of a model", path, l.Size, int64(maxSmallBlob))
	}
	b := make([]byte, l.Size)
	_, err = io.ReadFull(file, b)
	return b, err
}

// maxSmallBlob is the largest blob that is read into memory at once: a tokenizer has 20 MB.
const maxSmallBlob = 1 << 30

// list is everything in a folder, by name; nothing where there is no folder. What vanishes meanwhile
// is left out.
func (f files) list(dir string) (infos []os.FileInfo, err error) {
	err = f.at(dir, func(r *os.Root, rel string) error {
		if rel != "." {
			if err := isFolder(r, dir, rel); err != nil {
				return err
			}
			if r, err = r.OpenRoot(rel); err != nil {
				return err
			}
			defer r.Close()
		}
		infos, err = listRoot(r)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return infos, err
}

// isFolder refuses what is no folder, links to folders among it.
func isFolder(r *os.Root, path, rel string) error {
	info, err := r.Lstat(rel)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is %s, not a folder: move it away", path, kindOf(info.Mode()))
	}
	return err
}

func listRoot(r *os.Root) ([]os.FileInfo, error) {
	entries, err := fs.ReadDir(r.FS(), ".")
	if err != nil {
		return nil, err
	}
	var infos []os.FileInfo
	for _, e := range entries {
		info, err := r.Lstat(e.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// freeName is a name that hardly anything has.
func freeName(prefix string, random uint64) string { return prefix + strconv.FormatUint(random, 36) }
