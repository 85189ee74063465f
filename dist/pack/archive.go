package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// pack writes a folder, under its own name, as a .tar.gz. Nothing in it depends on who packs, or when.
func pack(folder, archive string, made time.Time) (err error) {
	if !strings.HasSuffix(archive, ".tar.gz") {
		return fmt.Errorf("%s is no .tar.gz", archive)
	}
	f, err := os.Create(archive)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			os.Remove(archive)
		}
	}()
	z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return err
	}
	w := tarGz{tar.NewWriter(z), z, made}
	base := filepath.Base(folder)
	// WalkDir goes in the order of names.
	err = filepath.WalkDir(folder, func(file string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(folder, file)
		if err != nil {
			return err
		}
		return addFile(w, file, path.Join(base, filepath.ToSlash(inside)), e)
	})
	return errors.Join(err, w.Close())
}

func addFile(w tarGz, file, name string, e fs.DirEntry) error {
	info, err := e.Info()
	if err != nil {
		return err
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(file); err != nil {
			return err
		}
	}
	if err := w.add(name, info, link); err != nil || !info.Mode().IsRegular() {
		return err
	}
	from, err := os.Open(file)
	if err != nil {
		return err
	}
	defer from.Close()
	_, err = io.Copy(w, from)
	return err
}

// mode is that of a file in an archive: what may be run, and what not.
func mode(info fs.FileInfo) fs.FileMode {
	if info.IsDir() || info.Mode()&0o111 != 0 {
		return 0o755
	}
	return 0o644
}

type tarGz struct {
	*tar.Writer
	z    *gzip.Writer
	made time.Time
}

func (t tarGz) add(name string, info fs.FileInfo, link string) error {
	h, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	plain := tar.Header{Typeflag: h.Typeflag, Name: name, Linkname: link, Size: h.Size, Mode: int64(mode(info)), ModTime: t.made, Format: tar.FormatPAX}
	if info.IsDir() {
		plain.Name += "/"
	}
	return t.WriteHeader(&plain)
}

func (t tarGz) Close() error { return errors.Join(t.Writer.Close(), t.z.Close()) }
